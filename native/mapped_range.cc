#include "mapped_range.h"

#include <sys/mman.h>

namespace dax {
namespace {

std::atomic<MappedRange*> first_range{nullptr};

}  // namespace

size_t MappedRange::BitmapBytes() const {
  return length_.load() / unit_ / 8 + 1;
}

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
  range->version_.fetch_add(1);
  range->unit_ = unit;
  range->any_lost_.store(false);
  range->length_.store(length);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const bitmap = mmap(nullptr, range->BitmapBytes(), PROT_READ | PROT_WRITE, flags, -1, 0);
  if (bitmap == MAP_FAILED) {
    range->version_.fetch_add(1);
    range->taken_.store(false);
    return nullptr;
  }
  range->lost_ = static_cast<std::atomic<uint8_t>*>(bitmap);
  range->start_.store(reinterpret_cast<uintptr_t>(start));
  range->version_.fetch_add(1);
  return range;
}

MappedRange* MappedRange::Find(uintptr_t address) {
  for (MappedRange* range = first_range.load(); range != nullptr; range = range->next_) {
    const uint64_t version = range->version_.load();
    const uintptr_t start = range->start_.load();
    const size_t length = range->length_.load();
    if (version % 2 != 0 || range->version_.load() != version) continue;
    // Whoever faults in a mapping keeps it alive: from here on the entry stays as it is.
    if (start != 0 && address >= start && address - start < length) return range;
  }
  return nullptr;
}

void MappedRange::Remove() {
  version_.fetch_add(1);
  start_.store(0);
  version_.fetch_add(1);
  munmap(lost_, BitmapBytes());
  taken_.store(false, std::memory_order_release);
}

bool MappedRange::ReplaceWithZeros(uintptr_t address) {
  const uintptr_t start = start_.load();
  const size_t index = (address - start) / unit_;
  void* const page = reinterpret_cast<void*>(start + index * unit_);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  // Remembered first: nobody may take the zeros for the device's.
  lost_[index / 8].fetch_or(static_cast<uint8_t>(1u << (index % 8)));
  any_lost_.store(true);
  return mmap(page, unit_, PROT_READ | PROT_WRITE, flags, -1, 0) != MAP_FAILED;
}

size_t MappedRange::ScanLosses(size_t offset, size_t length) const {
  for (size_t index = offset / unit_; index * unit_ < offset + length; index++) {
    if ((lost_[index / 8].load() & (1u << (index % 8))) == 0) continue;
    return index * unit_ > offset ? index * unit_ - offset : 0;
  }
  return length;
}

}  // namespace dax
