#include "device/backing.h"

#include <sys/mman.h>

#include <cerrno>

#include "sigbus/mapped_range.h"

namespace dax {

int Place::Persist(uint64_t pages, size_t unit) const {
  const size_t length = pages * unit;
  const auto offset = static_cast<off_t>(page * unit);
  void* const mapped = mmap(nullptr, length, PROT_READ, MAP_SHARED, backing->source->fd(), offset);
  if (mapped == MAP_FAILED) return -errno;
  // The flush is guarded, because the medium may be bad or the file may have become shorter.
  MappedRange* const range = MappedRange::Add(mapped, length, unit);
  int error = -ENOMEM;
  if (range != nullptr) {
    error = backing->persistence.Flush(static_cast<char*>(mapped), length);
    backing->persistence.Drain();
    if (error == 0 && range->BytesBeforeLoss(0, length) < length) error = -EIO;
    range->Remove();
  }
  munmap(mapped, length);
  return error;
}

}  // namespace dax
