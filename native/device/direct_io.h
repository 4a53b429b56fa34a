// Owns the query of the alignment that O_DIRECT requires of memory and positions.
#ifndef NODE_DAX_NATIVE_DIRECT_IO_H_
#define NODE_DAX_NATIVE_DIRECT_IO_H_

#include <cstdint>

namespace dax {

// Alignments in bytes. Both are 0 if the file refuses O_DIRECT.
struct DirectIoAlignment {
  uint32_t memory;
  uint32_t offset;
};

// Returns 0, -ENODATA if the kernel or the filesystem does not report it (STATX_DIOALIGN needs Linux 6.1), or
// the kernel's -errno.
int ReadDirectIoAlignment(const char* path, DirectIoAlignment* alignment);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_DIRECT_IO_H_
