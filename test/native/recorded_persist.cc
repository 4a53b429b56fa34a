// Records what the addon does to the memory of one device, for the suites that look at every power cut among
// its own stores: a processor's table in place of the one of x86-64, whose flushes, fences and stores past
// the cache write a line of JSON each, an event of the testkit's traces.
//
// NODE_DAX_RECORD names the file of events. The first flush says which mapping is recorded from then on.
// Ordinary stores do not go through the table. Before each event the memory is compared with its content at
// the previous event: bytes that differ were stored in between, in an unknown order.

#include <fcntl.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "persist/persist.h"

namespace dax {
namespace {

constexpr size_t kWord = 8;

class Recorder {
 public:
  // The flush of a mapping's lines.
  void Flush(const char* line, size_t bytes) {
    if (memory_ == nullptr) Begin(line);
    if (!Contains(line)) return;
    Look();
    Print("{\"kind\":\"flush\",\"pos\":%zu,\"length\":%zu}\n", Pos(line), bytes);
  }

  void Fence() {
    if (memory_ == nullptr) return;
    Look();
    Print("{\"kind\":\"fence\"}\n");
  }

  // A store past the cache, of which a fence waits as of a flushed one. Zeros if `source` is null.
  void Stream(char* destination, const char* source, size_t bytes) {
    const bool is_recorded = Contains(destination);
    if (is_recorded) Look();
    StorePlain(destination, source, bytes);
    if (!is_recorded) return;
    Store(Pos(destination), bytes);
    Print("{\"kind\":\"flush\",\"pos\":%zu,\"length\":%zu}\n", Pos(destination), bytes);
  }

 private:
  // Finds the mapping of an address.
  void Begin(const char* address) {
    const char* const path = getenv("NODE_DAX_RECORD");
    FILE* const maps = fopen("/proc/self/maps", "re");
    if (path == nullptr || maps == nullptr || (events_ = fopen(path, "we")) == nullptr) {
      fprintf(stderr, "NODE_DAX_RECORD names no file for the events, or there is no /proc\n");
      abort();
    }
    char line[4096];
    while (fgets(line, sizeof line, maps) != nullptr) {
      uintptr_t start, end;
      const auto wanted = reinterpret_cast<uintptr_t>(address);
      if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) != 2 || wanted < start || wanted >= end)
        continue;
      memory_ = reinterpret_cast<const char*>(start);
      seen_.assign(memory_, memory_ + (end - start));
    }
    fclose(maps);
  }

  bool Contains(const char* address) const {
    return memory_ != nullptr && address >= memory_ && address < memory_ + seen_.size();
  }

  size_t Pos(const char* address) const { return static_cast<size_t>(address - memory_); }

  // Records the ordinary stores since the last event.
  void Look() {
    for (size_t pos = 0; pos < seen_.size(); pos += kWord) {
      if (memcmp(memory_ + pos, &seen_[pos], kWord) != 0) Store(pos, kWord);
    }
  }

  void Store(size_t pos, size_t bytes) {
    memcpy(&seen_[pos], memory_ + pos, bytes);
    Print("{\"kind\":\"store\",\"pos\":%zu,\"isOrdered\":false,\"bytes\":\"", pos);
    for (size_t i = 0; i < bytes; i++) Print("%02x", static_cast<unsigned char>(seen_[pos + i]));
    Print("\"}\n");
  }

  template <typename... Values>
  void Print(const char* format, Values... values) {
    fprintf(events_, format, values...);
  }

  FILE* events_ = nullptr;
  const char* memory_ = nullptr;
  // The memory as the events have it.
  std::vector<char> seen_;
};

Recorder recorder;

void Stream(char* destination, const char* source, size_t bytes) {
  recorder.Stream(destination, source, bytes);
}

}  // namespace

// NODE_DAX_NO_MOVNT=1: without stores past the cache, as on processors that have none.
const CpuOps* DetectX86() {
  static const bool has_streams = getenv("NODE_DAX_NO_MOVNT") == nullptr;
  static const CpuOps cpu = {
      "recorded",
      [](const char* line, size_t bytes) { recorder.Flush(line, bytes); },
      [] { recorder.Fence(); },
      has_streams ? Stream : nullptr,
      [](uint64_t* destination, uint64_t word) {
        recorder.Stream(reinterpret_cast<char*>(destination), reinterpret_cast<const char*>(&word),
                        sizeof word);
      },
      448,
      nullptr,
      nullptr,
  };
  return &cpu;
}

}  // namespace dax
