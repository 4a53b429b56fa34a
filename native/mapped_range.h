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
  // Never fails: the list grows. `unit` is the smallest piece that can be mapped anew.
  static MappedRange* Add(void* start, size_t length, size_t unit);
  // Safe in a signal handler. Null when no range holds the address.
  static MappedRange* Find(uintptr_t address);

  // Must come before the range is unmapped.
  void Remove();

  // Puts private zeros in place of the unit that holds the address and remembers it as lost; false when the
  // kernel refuses. Safe in a signal handler.
  bool ReplaceWithZeros(uintptr_t address);

  // How many of `length` bytes from `offset` come before the first lost one.
  size_t BytesBeforeLoss(size_t offset, size_t length) const {
    return lost_count_.load(std::memory_order_acquire) == 0 ? length : ScanLosses(offset, length);
  }

 private:
  // Past this many the whole range counts as lost.
  static constexpr uint32_t kMaxLosses = 64;

  size_t ScanLosses(size_t offset, size_t length) const;

  std::atomic<bool> taken_{false};
  std::atomic<uintptr_t> start_{0};
  std::atomic<size_t> length_{0};
  size_t unit_ = 0;
  std::atomic<uint32_t> lost_count_{0};
  // Where each lost unit ends; 0 while the entry is being written.
  std::atomic<size_t> lost_ends_[kMaxLosses] = {};
  MappedRange* next_ = nullptr;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_MAPPED_RANGE_H_
