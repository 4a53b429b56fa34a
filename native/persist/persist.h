// Owns the ways to make stores durable: which cache lines to flush, when stores may bypass the cache, and
// what each granularity asks for.
#ifndef NODE_DAX_NATIVE_PERSIST_H_
#define NODE_DAX_NATIVE_PERSIST_H_

#include <cstddef>
#include <cstdint>

namespace dax {

constexpr size_t kCacheLine = 64;

// What makes a store survive a power cut (libpmem2's store granularity). kByte: a fence alone, because the
// caches are in the persistence domain (eADR). kCacheLine: writing the cache lines back. kPage: msync.
enum class Granularity { kByte, kCacheLine, kPage };

// The instructions that a processor offers: one table for each instruction set, and a recording one for
// tests.
struct CpuOps {
  // "clwb", "clflushopt", "clflush", "dc cvap", "dc cvac" or "none".
  const char* flush_instruction;
  // Starts the write-back of every line from `line` (aligned) for `bytes` (a multiple of the line).
  void (*flush_lines)(const char* line, size_t bytes);
  // Waits for the write-backs and the streamed stores before it.
  void (*fence)();
  // Stores whole lines past the cache, zeros if `source` is null. `destination` is aligned to a line, and
  // `bytes` is a multiple of a line. Null if the processor has no such instruction.
  void (*stream)(char* destination, const char* source, size_t bytes);
  // Stores a word at an aligned address past the cache, by one store. Null if the processor has no such
  // instruction.
  void (*stream_word)(uint64_t* destination, uint64_t word);
  // The length in bytes from which on streaming is faster than storing and flushing.
  size_t stream_threshold;
  // Writes back and drops every line from `line` (aligned) for `bytes` (a multiple of the line), so the next
  // load asks the memory. Null if the processor has no such instruction.
  void (*invalidate_lines)(const char* line, size_t bytes);
  // Orders all loads, stores and invalidations before it with all after it.
  void (*full_fence)();
};

// The processor's table, chosen once from CPUID or HWCAP. NODE_DAX_NO_CLWB, NODE_DAX_NO_CLFLUSHOPT,
// NODE_DAX_NO_MOVNT (set to 1) and NODE_DAX_MOVNT_THRESHOLD (bytes) restrict the choice.
const CpuOps& DetectCpu();

// The bytes from the address to the first line that begins at or after it.
size_t BytesToLine(const char* address);

// Whether the ranges have a byte in common. A user may write a view of the device to the device itself.
bool Overlap(const char* destination, const char* source, size_t length);

// Stores `length` bytes of `source`, or zeros if it is null, by ordinary stores.
void StorePlain(char* destination, const char* source, size_t length);

// The way to make stores into one mapping durable, by its granularity.
class Persistence {
 public:
  Persistence(Granularity granularity, const CpuOps& cpu) : granularity_(granularity), cpu_(&cpu) {}

  Granularity granularity() const { return granularity_; }

  // Stores `source`, or zeros if it is null. The bytes are durable after a Drain, or, with kPage, after a
  // Flush and a Drain.
  void Store(char* destination, const char* source, size_t length) const;
  // Whether StreamLines may be called.
  bool streams() const { return granularity_ == Granularity::kCacheLine && cpu_->stream != nullptr; }
  // Stores whole lines, which do not overlap. They are durable after a Drain. The processor need not load
  // them first, as it must if only a part of a line is stored.
  void StreamLines(char* destination, const char* source, size_t length) const {
    if (length > 0) cpu_->stream(destination, source, length);
  }
  // Stores the word at an aligned address by one store: another thread finds the old word or the new one.
  // Later stores may overtake it, up to the next Drain. Durable after a Drain, or, with kPage, after a Flush
  // and a Drain.
  void StoreWord(uint64_t* destination, uint64_t word) const;
  // Returns 0 or -errno. Only msync can fail.
  int Flush(const char* address, size_t length) const;
  void Drain() const;
  // Writes back what this processor's caches have of the range and drops it, whatever the granularity: loads
  // after it see what the memory holds. Returns 0 or -EOPNOTSUPP.
  int Invalidate(const char* address, size_t length) const;

 private:
  // Calls `operate` for the whole lines that the range touches. The range must not be empty.
  static void OnLines(void (*operate)(const char*, size_t), const char* address, size_t length);
  void FlushLines(const char* address, size_t length) const;
  void StoreAndFlush(char* destination, const char* source, size_t length) const;

  Granularity granularity_;
  const CpuOps* cpu_;
};

// The tables that DetectCpu chooses from. Null on another processor.
const CpuOps* DetectX86();
const CpuOps* DetectArm64();
const CpuOps& GenericCpu();

}  // namespace dax

#endif  // NODE_DAX_NATIVE_PERSIST_H_
