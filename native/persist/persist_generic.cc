// Processors whose flush instruction is not known here: devices on them are used with page granularity.
#include <atomic>

#include "persist/persist.h"

namespace dax {

const CpuOps& GenericCpu() {
  static const CpuOps cpu = {
      "none",
      [](const char*, size_t) {},
      [] { std::atomic_thread_fence(std::memory_order_seq_cst); },
      nullptr,
      0,
  };
  return cpu;
}

}  // namespace dax
