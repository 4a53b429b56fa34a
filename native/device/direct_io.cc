#include "device/direct_io.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace dax {

int ReadDirectIoAlignment(const char* path, DirectIoAlignment* alignment) {
  // Linux has the fields from 6.1 on. The addon may be built with older headers, which have spare space in
  // their place.
  constexpr unsigned kStatxDioAlign = 0x2000;
  constexpr size_t kMemoryAlignmentAt = 152;
  struct statx status;
  static_assert(kMemoryAlignmentAt + sizeof *alignment <= sizeof status);
  if (statx(AT_FDCWD, path, 0, kStatxDioAlign, &status) != 0) return -errno;
  if ((status.stx_mask & kStatxDioAlign) == 0) return -ENODATA;
  memcpy(alignment, reinterpret_cast<const char*>(&status) + kMemoryAlignmentAt, sizeof *alignment);
  return 0;
}

}  // namespace dax
