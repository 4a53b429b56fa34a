#include "sigbus/mapped_range.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <vector>

namespace dax {
namespace {

constexpr uintptr_t kPageSize = 4096;
constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;

// The four bits of a unit.
constexpr size_t kUnitsPerByte = 2;
constexpr uint8_t kSuspect = 1;  // an access was refused, and is tried again
constexpr uint8_t kLost = 2;
constexpr uint8_t kStray = 4;
constexpr uint8_t kTold = 8;

uint8_t At(size_t index, uint8_t bits) {
  return static_cast<uint8_t>(bits << (index % kUnitsPerByte * 4));
}

std::atomic<MappedRange*> first_range{nullptr};

// The entries of the list that are in no use. Handlers take none and give none back.
std::mutex spare_mutex;
std::vector<MappedRange*>& Spare() {
  // Never destroyed, because mappings may be removed while the process ends.
  static auto* const spare = new std::vector<MappedRange*>();
  return *spare;
}

MappedRange* TakeSpare() {
  const std::lock_guard<std::mutex> hold(spare_mutex);
  if (Spare().empty()) return nullptr;
  MappedRange* const range = Spare().back();
  Spare().pop_back();
  return range;
}

void GiveBack(MappedRange* range) {
  const std::lock_guard<std::mutex> hold(spare_mutex);
  Spare().push_back(range);
}

std::atomic<int> loss_listener{-1};

void TellListener() {
  const int fd = loss_listener.load();
  const uint64_t one = 1;
  // The write can fail only if the count is full, and then the listener has been told.
  if (fd >= 0 && write(fd, &one, sizeof one) < 0) return;
}

}  // namespace

size_t MappedRange::BitmapBytes() const {
  return length_.load() / unit_ / kUnitsPerByte + 1;
}

MappedRange* MappedRange::Add(void* start, size_t length, size_t unit, OnLoss on_loss, OnStore on_store) {
  MappedRange* range = TakeSpare();
  if (range == nullptr) {
    range = new MappedRange();
    range->next_ = first_range.load();
    while (!first_range.compare_exchange_weak(range->next_, range)) {
    }
  }
  range->version_.fetch_add(1);
  range->unit_ = unit;
  range->on_loss_ = on_loss;
  range->on_store_ = on_store;
  range->withdrawn_.store(false);
  range->any_refused_.store(false);
  range->any_lost_.store(false);
  range->length_.store(length);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const bitmap = mmap(nullptr, range->BitmapBytes(), PROT_READ | PROT_WRITE, flags, -1, 0);
  if (bitmap == MAP_FAILED) {
    range->version_.fetch_add(1);
    GiveBack(range);
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
    // The thread that faults in a mapping keeps it alive, so the entry does not change from here on.
    if (start != 0 && address >= start && address - start < length) return range;
  }
  return nullptr;
}

void MappedRange::Remove() {
  version_.fetch_add(1);
  start_.store(0);
  version_.fetch_add(1);
  munmap(lost_, BitmapBytes());
  GiveBack(this);
}

// The mark is set first, so a thread that finds the memory gone knows why.
void MappedRange::Withdraw() {
  // The lock keeps repairs from putting a page of the device there afterwards.
  const std::lock_guard<MappedRange> hold(*this);
  withdrawn_.store(true);
  mmap(reinterpret_cast<void*>(start_.load()), length_.load(), PROT_NONE, kPrivate, -1, 0);
}

bool MappedRange::FillWithdrawn(uintptr_t address) {
  constexpr int kOpen = PROT_READ | PROT_WRITE;
  void* const page = reinterpret_cast<void*>(address / kPageSize * kPageSize);
  if (mmap(page, kPageSize, kOpen, kPrivate, -1, 0) != MAP_FAILED) return true;
  // The process has as many mappings as it may have. One for the whole range adds none.
  void* const start = reinterpret_cast<void*>(start_.load());
  return mmap(start, length_.load(), kOpen, kPrivate, -1, 0) != MAP_FAILED;
}

// The mark is set before the page is replaced, so no reader takes the new memory for the device's.
void MappedRange::Remember(size_t index, uint8_t how) {
  lost_[index / kUnitsPerByte].fetch_or(At(index, how));
  any_refused_.store(true);
  any_lost_.store(true);
}

// No handler that interrupts the holder waits for the lock: see OnSigbus.
void MappedRange::lock() {
  while (!try_lock()) sched_yield();
}

bool MappedRange::try_lock() {
  return !locked_.exchange(true, std::memory_order_acquire);
}

void MappedRange::unlock() {
  locked_.store(false, std::memory_order_release);
}

bool MappedRange::ReplaceWithZeros(uintptr_t address, bool certain) {
  const uintptr_t start = start_.load();
  const size_t index = (address - start) / unit_;
  void* const page = reinterpret_cast<void*>(start + index * unit_);
  const std::lock_guard<MappedRange> hold(*this);
  any_refused_.store(true);
  const uint8_t before = lost_[index / kUnitsPerByte].fetch_or(At(index, kSuspect));
  // The unit has been suspect since it was last replaced, so this second signal is about the page that is
  // there now.
  if (!certain && (before & At(index, kSuspect)) == 0) return true;
  Remember(index, kLost);
  if (mmap(page, unit_, PROT_READ | PROT_WRITE, kPrivate, -1, 0) == MAP_FAILED) return false;
  TellListener();
  return true;
}

bool MappedRange::ReplaceWithCopy(uintptr_t address) {
  const uintptr_t start = start_.load();
  const size_t index = (address - start) / unit_;
  void* const page = reinterpret_cast<void*>(start + index * unit_);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const copy = mmap(nullptr, unit_, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (copy == MAP_FAILED) return false;
  // Copied without the lock, because the page may have to be faulted in.
  const uint64_t replaced = replaced_.load();
  memcpy(copy, page, unit_);
  const std::lock_guard<MappedRange> hold(*this);
  if (replaced_.load() != replaced || withdrawn()) {
    // The page that was copied may have been replaced since. The store is tried again.
    munmap(copy, unit_);
    return true;
  }
  Remember(index, kLost | kStray);
  if (mremap(copy, unit_, unit_, MREMAP_MAYMOVE | MREMAP_FIXED, page) == MAP_FAILED) {
    munmap(copy, unit_);
    return false;
  }
  TellListener();
  return true;
}

void MappedRange::Restore(size_t offset, size_t length) {
  replaced_.fetch_add(1);
  if (!any_refused_.load()) return;
  for (size_t index = offset / unit_; index * unit_ < offset + length; index++) {
    if (lost_[index / kUnitsPerByte].load() == 0) continue;
    lost_[index / kUnitsPerByte].fetch_and(
        static_cast<uint8_t>(~At(index, kSuspect | kLost | kStray | kTold)));
  }
}

bool MappedRange::TakeLoss(size_t offset) {
  const size_t index = offset / unit_;
  std::atomic<uint8_t>& bits = lost_[index / kUnitsPerByte];
  const uint8_t before = bits.fetch_or(At(index, kTold));
  if ((before & At(index, kLost)) != 0) return (before & At(index, kTold)) == 0;
  // The unit was restored in between.
  bits.fetch_and(static_cast<uint8_t>(~At(index, kTold)));
  return false;
}

size_t MappedRange::NextLoss(size_t offset, size_t end) const {
  if (!any_lost()) return end;
  for (size_t index = offset / unit_; index * unit_ < end;) {
    const uint8_t bits = lost_[index / kUnitsPerByte].load();
    if ((bits & At(index, kLost)) != 0) return index * unit_;
    index = bits == 0 ? (index / kUnitsPerByte + 1) * kUnitsPerByte : index + 1;
  }
  return end;
}

bool MappedRange::IsStray(size_t offset) const {
  const size_t index = offset / unit_;
  return (lost_[index / kUnitsPerByte].load() & At(index, kStray)) != 0;
}

size_t MappedRange::ScanLosses(size_t offset, size_t length) const {
  const size_t loss = NextLoss(offset, offset + length);
  return loss <= offset ? 0 : loss - offset;
}

void SetLossListener(int event_fd) {
  loss_listener.store(event_fd);
}

}  // namespace dax
