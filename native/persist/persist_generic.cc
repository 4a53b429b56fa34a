// Owns the table for processors without a known flush instruction, whose devices have page granularity.
#include <atomic>

#include "persist/persist.h"

namespace dax {

const CpuOps& GenericCpu() {
  static const CpuOps cpu = {
      "none",
      [](const char*, size_t) {},
      [] { std::atomic_thread_fence(std::memory_order_seq_cst); },
      nullptr,
      nullptr,
      0,
      nullptr,
      [] { std::atomic_thread_fence(std::memory_order_seq_cst); },
  };
  return cpu;
}

}  // namespace dax
