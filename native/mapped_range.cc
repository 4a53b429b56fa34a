#include "mapped_range.h"

#include <sys/mman.h>

#include <algorithm>

namespace dax {
namespace {

std::atomic<MappedRange*> first_range{nullptr};

}  // namespace

MappedRange* MappedRange::Add(void* start, size_t length, size_t unit) {
  MappedRange* range = first_range.load(std::memory_order_acquire);
  for (; range != nullptr; range = range->next_) {
    bool taken = false;
    if (range->taken_.compare_exchange_strong(taken, true)) break;
  }
  if (range == nullptr) {
    range = new MappedRange();
    range->taken_.store(true);
    range->next_ = first_range.load();
    while (!first_range.compare_exchange_weak(range->next_, range)) {
    }
  }
  range->unit_ = unit;
  range->lost_count_.store(0);
  for (std::atomic<size_t>& end : range->lost_ends_) end.store(0);
  range->length_.store(length);
  range->start_.store(reinterpret_cast<uintptr_t>(start), std::memory_order_release);
  return range;
}

MappedRange* MappedRange::Find(uintptr_t address) {
  for (MappedRange* range = first_range.load(std::memory_order_acquire); range != nullptr;
       range = range->next_) {
    const uintptr_t start = range->start_.load(std::memory_order_acquire);
    if (start != 0 && address >= start && address - start < range->length_.load()) return range;
  }
  return nullptr;
}

void MappedRange::Remove() {
  start_.store(0);
  taken_.store(false, std::memory_order_release);
}

bool MappedRange::ReplaceWithZeros(uintptr_t address) {
  const uintptr_t start = start_.load();
  const size_t offset = (address - start) / unit_ * unit_;
  void* const page = reinterpret_cast<void*>(start + offset);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  if (mmap(page, unit_, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED) return false;
  const uint32_t index = lost_count_.fetch_add(1, std::memory_order_acq_rel);
  if (index < kMaxLosses) lost_ends_[index].store(offset + unit_, std::memory_order_release);
  return true;
}

size_t MappedRange::ScanLosses(size_t offset, size_t length) const {
  const uint32_t count = lost_count_.load(std::memory_order_acquire);
  if (count > kMaxLosses) return 0;
  size_t before = length;
  for (uint32_t i = 0; i < count; i++) {
    const size_t end = lost_ends_[i].load(std::memory_order_acquire);
    if (end <= offset) continue;
    const size_t lost = end - unit_;
    if (lost < offset + before) before = lost > offset ? lost - offset : 0;
  }
  return before;
}

}  // namespace dax
