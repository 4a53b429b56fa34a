#include "fault/vma_budget.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace dax {
namespace {

// A piece in the middle of a mapping adds two: itself, and the part of the mapping behind it.
constexpr int64_t kPerPiece = 2;
// Mappings left for the rest of the process.
constexpr int64_t kReserve = 4096;
// The least that one count gives out, because counting takes longest near the limit.
constexpr int64_t kBatch = 512;

int64_t CountMappings() {
  const int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char buffer[65536];
  int64_t lines = 0;
  for (ssize_t bytes; (bytes = read(fd, buffer, sizeof buffer)) > 0;) {
    lines += std::count(buffer, buffer + bytes, '\n');
  }
  close(fd);
  return lines;
}

int64_t ReadLimit() {
  constexpr int64_t kDefault = 65530;
  const int fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return kDefault;
  char text[32] = {};
  const ssize_t bytes = read(fd, text, sizeof text - 1);
  close(fd);
  return bytes > 0 ? strtoll(text, nullptr, 10) : kDefault;
}

}  // namespace

VmaBudget& VmaBudget::Get() {
  static VmaBudget* const instance = new VmaBudget();
  return *instance;
}

bool VmaBudget::Take() {
  if (left_.fetch_sub(kPerPiece) >= kPerPiece) return true;
  return Recount();
}

// Counting takes as long as thousands of faults, so one count gives out half of the mappings that are left.
bool VmaBudget::Recount() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (left_.fetch_sub(kPerPiece) >= kPerPiece) return true;
  const auto now = std::chrono::steady_clock::now();
  if (now - last_refusal_ < std::chrono::milliseconds(10)) return false;
  const int64_t available = ReadLimit() - CountMappings() - kReserve;
  if (available < kPerPiece) {
    last_refusal_ = now;
    return false;
  }
  left_.store(std::max(available / 2, kBatch) - kPerPiece);
  return true;
}

}  // namespace dax
