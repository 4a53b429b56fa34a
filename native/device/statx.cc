#include "device/statx.h"

// Uses the kernel's declarations and the system call, because musl has its own only from 1.2.5 on, and an
// addon that is linked to them does not load with an older musl. The kernel's header cannot be included
// together with <sys/stat.h>, which declares the same names where the library has them.
#include <fcntl.h>
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#ifndef STATX_ATTR_DAX
#define STATX_ATTR_DAX 0x00200000
#endif

namespace dax {
namespace {

int Statx(int fd, const char* path, int flags, unsigned mask, struct statx* status) {
  return syscall(SYS_statx, fd, path, flags, mask, status) == 0 ? 0 : -errno;
}

}  // namespace

int ReadDirectIoAlignment(const char* path, DirectIoAlignment* alignment) {
  // Linux has the fields from 6.1 on. The addon may be built with older headers, which have spare space in
  // their place.
  constexpr unsigned kStatxDioAlign = 0x2000;
  constexpr size_t kMemoryAlignmentAt = 152;
  struct statx status;
  static_assert(kMemoryAlignmentAt + sizeof *alignment <= sizeof status);
  if (const int error = Statx(AT_FDCWD, path, 0, kStatxDioAlign, &status)) return error;
  if ((status.stx_mask & kStatxDioAlign) == 0) return -ENODATA;
  memcpy(alignment, reinterpret_cast<const char*>(&status) + kMemoryAlignmentAt, sizeof *alignment);
  return 0;
}

bool IsDaxFile(int fd) {
  struct statx status;
  return Statx(fd, "", AT_EMPTY_PATH, 0, &status) == 0 && (status.stx_attributes & STATX_ATTR_DAX) != 0;
}

}  // namespace dax
