// Owns what statx(2) tells and stat(2) does not: whether a file is DAX, and what O_DIRECT asks of it.
#ifndef NODE_DAX_NATIVE_STATX_H_
#define NODE_DAX_NATIVE_STATX_H_

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

// Whether loads and stores of the file's mappings reach its memory. False where the kernel does not tell.
bool IsDaxFile(int fd);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_STATX_H_
