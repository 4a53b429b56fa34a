#include "persist/persist.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace dax {
namespace {

constexpr uintptr_t kPageSize = 4096;

const char* LineOf(const char* address) {
  return address - reinterpret_cast<uintptr_t>(address) % kCacheLine;
}

}  // namespace

bool Overlap(const char* destination, const char* source, size_t length) {
  return source != nullptr && source < destination + length && destination < source + length;
}

size_t BytesToLine(const char* address) {
  return (kCacheLine - reinterpret_cast<uintptr_t>(address) % kCacheLine) % kCacheLine;
}

void StorePlain(char* destination, const char* source, size_t length) {
  if (source == nullptr) {
    memset(destination, 0, length);
  } else {
    memmove(destination, source, length);
  }
}

const CpuOps& DetectCpu() {
  static const CpuOps& cpu = []() -> const CpuOps& {
    if (const CpuOps* x86 = DetectX86()) return *x86;
    if (const CpuOps* arm = DetectArm64()) return *arm;
    return GenericCpu();
  }();
  return cpu;
}

void Persistence::OnLines(void (*operate)(const char*, size_t), const char* address, size_t length) {
  const char* const first = LineOf(address);
  const char* const end = LineOf(address + length - 1) + kCacheLine;
  operate(first, static_cast<size_t>(end - first));
}

void Persistence::FlushLines(const char* address, size_t length) const {
  OnLines(cpu_->flush_lines, address, length);
}

void Persistence::StoreAndFlush(char* destination, const char* source, size_t length) const {
  if (length == 0) return;
  StorePlain(destination, source, length);
  FlushLines(destination, length);
}

void Persistence::Store(char* destination, const char* source, size_t length) const {
  if (granularity_ != Granularity::kCacheLine) return StorePlain(destination, source, length);
  if (!streams() || length < cpu_->stream_threshold || length < 2 * kCacheLine ||
      Overlap(destination, source, length)) {
    return StoreAndFlush(destination, source, length);
  }
  // Whole lines are streamed; the partial ones at both ends are stored and flushed.
  const size_t head = BytesToLine(destination);
  const size_t lines = (length - head) / kCacheLine * kCacheLine;
  const auto from = [source](size_t offset) { return source == nullptr ? nullptr : source + offset; };
  StoreAndFlush(destination, source, head);
  cpu_->stream(destination + head, from(head), lines);
  StoreAndFlush(destination + head + lines, from(head + lines), length - head - lines);
}

void Persistence::StoreWord(uint64_t* destination, uint64_t word) const {
  if (streams() && cpu_->stream_word != nullptr) return cpu_->stream_word(destination, word);
  __atomic_store_n(destination, word, __ATOMIC_RELEASE);
  if (granularity_ == Granularity::kCacheLine)
    FlushLines(reinterpret_cast<const char*>(destination), sizeof word);
}

int Persistence::Flush(const char* address, size_t length) const {
  if (length == 0 || granularity_ == Granularity::kByte) return 0;
  if (granularity_ == Granularity::kCacheLine) {
    FlushLines(address, length);
    return 0;
  }
  const auto start = reinterpret_cast<uintptr_t>(address) / kPageSize * kPageSize;
  const auto end = reinterpret_cast<uintptr_t>(address) + length;
  return msync(reinterpret_cast<void*>(start), end - start, MS_SYNC) == 0 ? 0 : -errno;
}

void Persistence::Drain() const {
  if (granularity_ != Granularity::kPage) cpu_->fence();
}

int Persistence::Invalidate(const char* address, size_t length) const {
  if (cpu_->invalidate_lines == nullptr) return -EOPNOTSUPP;
  // The first fence puts earlier stores into the lines before they are dropped; the second keeps later loads
  // from being made too early.
  cpu_->full_fence();
  if (length > 0) OnLines(cpu_->invalidate_lines, address, length);
  cpu_->full_fence();
  return 0;
}

}  // namespace dax
