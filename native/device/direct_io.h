// Asks the kernel what O_DIRECT wants of memory and positions.
#ifndef NODE_DAX_NATIVE_DIRECT_IO_H_
#define NODE_DAX_NATIVE_DIRECT_IO_H_

#include <cstdint>

namespace dax {

// Bytes. Both 0: O_DIRECT is refused.
struct DirectIoAlignment {
  uint32_t memory;
  uint32_t offset;
};

// 0, -ENODATA where the kernel or the filesystem does not tell (STATX_DIOALIGN: Linux 6.1), or what the
// kernel answered.
int ReadDirectIoAlignment(const char* path, DirectIoAlignment* alignment);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_DIRECT_IO_H_
