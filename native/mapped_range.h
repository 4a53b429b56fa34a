// Knows every mapping of the process, so that a signal handler can tell whether a fault is in one, and
// remembers which of their pages were lost.
#ifndef NODE_DAX_NATIVE_MAPPED_RANGE_H_
#define NODE_DAX_NATIVE_MAPPED_RANGE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace dax {

// One entry of the process-wide list. Entries are reused and never freed: the list is read inside a signal
// handler.
class MappedRange {
 public:
  // `unit` is the smallest piece that can be mapped anew. Null when there is no memory.
  static MappedRange* Add(void* start, size_t length, size_t unit);
  // Safe in a signal handler. Null when no range holds the address.
  static MappedRange* Find(uintptr_t address);

  // Must come before the range is unmapped.
  void Remove();

  // Puts private zeros in place of the unit that holds the address and remembers it as lost; false when the
  // kernel refuses. Safe in a signal handler.
  bool ReplaceWithZeros(uintptr_t address);

  bool any_lost() const { return any_lost_.load(std::memory_order_acquire); }

  // How many of `length` bytes from `offset` come before the first lost one.
  size_t BytesBeforeLoss(size_t offset, size_t length) const {
    return any_lost() ? ScanLosses(offset, length) : length;
  }

 private:
  size_t ScanLosses(size_t offset, size_t length) const;
  size_t BitmapBytes() const;

  std::atomic<bool> taken_{false};
  // Odd while the entry is being changed: who finds it so, or changed, looks elsewhere.
  std::atomic<uint64_t> version_{0};
  std::atomic<uintptr_t> start_{0};
  std::atomic<size_t> length_{0};
  size_t unit_ = 0;
  std::atomic<bool> any_lost_{false};
  // A bit for each unit. Mapped beforehand, because a handler cannot allocate; untouched it takes no memory.
  std::atomic<uint8_t>* lost_ = nullptr;
  MappedRange* next_ = nullptr;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_MAPPED_RANGE_H_
