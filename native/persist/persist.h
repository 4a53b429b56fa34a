// Makes stores durable: which cache lines to flush, when stores may bypass the cache, what one granularity
// asks for.
#ifndef NODE_DAX_NATIVE_PERSIST_H_
#define NODE_DAX_NATIVE_PERSIST_H_

#include <cstddef>
#include <cstdint>

namespace dax {

constexpr size_t kCacheLine = 64;

// What must be done for a store to survive a power cut (libpmem2's store granularity):
// kByte: nothing but a fence, the caches are in the persistence domain (eADR); kCacheLine: write the lines
// back; kPage: msync.
enum class Granularity { kByte, kCacheLine, kPage };

// What a processor offers. One table per instruction set; a test gives a recording one.
struct CpuOps {
  // "clwb", "clflushopt", "clflush", "dc cvap", "dc cvac" or "none".
  const char* flush_instruction;
  // Starts the write-back of every line from `line` (aligned) for `bytes` (a multiple of the line).
  void (*flush_lines)(const char* line, size_t bytes);
  // Waits for the write-backs and the streamed stores before it.
  void (*fence)();
  // Stores whole lines past the cache, zeros if `source` is null; `destination` is aligned to a line, `bytes`
  // a multiple of it. Null: not offered.
  void (*stream)(char* destination, const char* source, size_t bytes);
  // From this many bytes on streaming is faster than storing and flushing.
  size_t stream_threshold;
};

// The processor's table, chosen once from CPUID or HWCAP. NODE_DAX_NO_CLWB, NODE_DAX_NO_CLFLUSHOPT,
// NODE_DAX_NO_MOVNT (set to 1) and NODE_DAX_MOVNT_THRESHOLD (bytes) restrict the choice.
const CpuOps& DetectCpu();

// `source` bytes, or zeros if it is null, by ordinary stores.
void StorePlain(char* destination, const char* source, size_t length);

// Stores into one mapping, durable by its granularity.
class Persistence {
 public:
  Persistence(Granularity granularity, const CpuOps& cpu) : granularity_(granularity), cpu_(&cpu) {}

  Granularity granularity() const { return granularity_; }

  // Stores `source`, or zeros if it is null, so that a Drain makes the bytes durable; with kPage a Flush
  // comes first.
  void Store(char* destination, const char* source, size_t length) const;
  // 0 or -errno: only msync can fail.
  int Flush(const char* address, size_t length) const;
  void Drain() const;

 private:
  void FlushLines(const char* address, size_t length) const;
  void StoreAndFlush(char* destination, const char* source, size_t length) const;

  Granularity granularity_;
  const CpuOps* cpu_;
};

// One of the tables below is the processor's.
const CpuOps* DetectX86();
const CpuOps* DetectArm64();
const CpuOps& GenericCpu();

}  // namespace dax

#endif  // NODE_DAX_NATIVE_PERSIST_H_
