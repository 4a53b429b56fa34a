// Records the instructions that Persistence uses for stores of every alignment, and checks that each touched
// cache line, and no other, was written back or streamed, and that the bytes are right.

#include "persist/persist.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

constexpr size_t kLine = dax::kCacheLine;
constexpr size_t kPage = 4096;
constexpr size_t kLines = 16;

uintptr_t synced_start;
uintptr_t synced_end;

alignas(kLine) char memory[kLines * kLine];
int flushed[kLines];
int streamed[kLines];
int invalidated[kLines];
int fences;
int full_fences;

size_t LineIndex(const char* address) {
  return static_cast<size_t>(address - memory) / kLine;
}

void Fail(const std::string& what) {
  fprintf(stderr, "%s\n", what.c_str());
  exit(1);
}

void CheckAligned(const char* address, size_t bytes) {
  if ((address - memory) % kLine != 0 || bytes % kLine != 0 || bytes == 0) Fail("not whole cache lines");
}

void FlushLines(const char* line, size_t bytes) {
  CheckAligned(line, bytes);
  for (size_t i = 0; i < bytes; i += kLine) flushed[LineIndex(line + i)]++;
}

void Fence() {
  fences++;
}

void InvalidateLines(const char* line, size_t bytes) {
  CheckAligned(line, bytes);
  if (full_fences != 1) Fail("no fence before the lines are invalidated");
  for (size_t i = 0; i < bytes; i += kLine) invalidated[LineIndex(line + i)]++;
}

void FullFence() {
  full_fences++;
}

void Stream(char* destination, const char* source, size_t bytes) {
  CheckAligned(destination, bytes);
  for (size_t i = 0; i < bytes; i += kLine) streamed[LineIndex(destination + i)]++;
  dax::StorePlain(destination, source, bytes);
}

void Check(const dax::Persistence& persistence, size_t offset, size_t length, const char* source) {
  memset(flushed, 0, sizeof flushed);
  memset(streamed, 0, sizeof streamed);
  memset(memory, 0x5a, sizeof memory);
  fences = 0;
  persistence.Store(memory + kLine + offset, source, length);
  persistence.Drain();

  const std::string what = std::to_string(length) + " bytes at offset " + std::to_string(offset);
  for (size_t i = 0; i < sizeof memory; i++) {
    const bool inside = i >= kLine + offset && i < kLine + offset + length;
    const char wanted = !inside ? 0x5a : source == nullptr ? 0 : source[i - kLine - offset];
    if (memory[i] != wanted) Fail(what + ": wrong byte at " + std::to_string(i));
  }
  for (size_t line = 0; line < kLines; line++) {
    const size_t start = line * kLine;
    const bool touched = length > 0 && start + kLine > kLine + offset && start < kLine + offset + length;
    if (touched != (flushed[line] + streamed[line] > 0)) Fail(what + ": line " + std::to_string(line));
    // Two stores to one line, one of them past the cache, would be written in either order.
    if (flushed[line] > 0 && streamed[line] > 0) Fail(what + ": line both flushed and streamed");
  }
  if (fences != 1) Fail(what + ": " + std::to_string(fences) + " fences");
}

// Every line that a range touches, once, between two fences, whatever the granularity.
void CheckInvalidate(const dax::CpuOps& cpu, dax::Granularity granularity, size_t offset, size_t length) {
  memset(invalidated, 0, sizeof invalidated);
  full_fences = 0;
  if (dax::Persistence(granularity, cpu).Invalidate(memory + kLine + offset, length) != 0)
    Fail("not invalidated");
  const size_t first = kLine + offset, end = first + length;
  for (size_t line = 0; line < kLines; line++) {
    const bool touched = length > 0 && (line + 1) * kLine > first && line * kLine < end;
    if (invalidated[line] != (touched ? 1 : 0)) Fail("invalidate: line " + std::to_string(line));
  }
  if (full_fences != 2) Fail("invalidate: " + std::to_string(full_fences) + " fences");
}

// msync of the ranges of a device with page granularity: whole pages, every one touched, none else.
void CheckSync(const dax::CpuOps& cpu) {
  const dax::Persistence persistence(dax::Granularity::kPage, cpu);
  for (const size_t offset : {size_t{0}, size_t{1}, kPage - 1, kPage, kPage + 1}) {
    for (const size_t length : {size_t{1}, kPage - 1, kPage, kPage + 1, 3 * kPage}) {
      synced_start = synced_end = 0;
      const uintptr_t start = 0x10000000 + offset;
      persistence.Flush(reinterpret_cast<const char*>(start), length);
      if (synced_start != start / kPage * kPage || synced_end != start + length)
        Fail("msync of another range");
    }
  }
  synced_start = 0;
  persistence.Flush(nullptr, 0);
  if (synced_start != 0) Fail("msync of nothing");
}

}  // namespace

// In place of the C library's, for the addon's code in this program.
extern "C" int msync(void* address, size_t length, int flags) noexcept {
  if (flags != MS_SYNC) Fail("msync that does not wait");
  synced_start = reinterpret_cast<uintptr_t>(address);
  synced_end = synced_start + length;
  return 0;
}

int main() {
  char source[512];
  for (size_t i = 0; i < sizeof source; i++) source[i] = static_cast<char>(i * 7 + 1);
  int data = 0, zeros = 0;
  for (const size_t threshold : {size_t{0}, size_t{128}, size_t{300}}) {
    const dax::CpuOps cpu = {"recorded", FlushLines, Fence,           Stream,
                             nullptr,    threshold,  InvalidateLines, FullFence};
    const dax::Persistence persistence(dax::Granularity::kCacheLine, cpu);
    data = zeros = 0;
    for (size_t offset = 0; offset < kLine; offset++) {
      for (size_t length = 1; length <= 256; length++) {
        Check(persistence, offset, length, source), data++;
        Check(persistence, offset, length, nullptr), zeros++;
      }
    }
  }
  const dax::CpuOps unstreamed = {"recorded", FlushLines, Fence,           nullptr,
                                  nullptr,    0,          InvalidateLines, FullFence};
  Check(dax::Persistence(dax::Granularity::kCacheLine, unstreamed), 3, 500, source);
  Check(dax::Persistence(dax::Granularity::kCacheLine, unstreamed), 0, 0, source);
  CheckSync(unstreamed);
  int invalidations = 0;
  for (const dax::Granularity granularity :
       {dax::Granularity::kByte, dax::Granularity::kCacheLine, dax::Granularity::kPage}) {
    for (size_t offset = 0; offset < kLine; offset++) {
      for (size_t length = 0; length <= 256; length++, invalidations++)
        CheckInvalidate(unstreamed, granularity, offset, length);
    }
  }
  dax::CpuOps unable = unstreamed;
  unable.invalidate_lines = nullptr;
  if (dax::Persistence(dax::Granularity::kByte, unable).Invalidate(memory, 1) != -EOPNOTSUPP)
    Fail("invalidated without an instruction");
  printf("%d invalidations, ", invalidations);
  printf("%d stores of data, %d of zeros\n", data, zeros);
  return 0;
}
