// Owns the count of the process's mappings. The kernel limits their number, and V8 needs some of them.
#ifndef NODE_DAX_NATIVE_VMA_BUDGET_H_
#define NODE_DAX_NATIVE_VMA_BUDGET_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>

namespace dax {

class VmaBudget {
 public:
  static VmaBudget& Get();

  // Takes the mappings that one more piece may need. Returns false if too few would be left
  // (vm.max_map_count).
  bool Take();

 private:
  VmaBudget() = default;
  bool Recount();

  std::atomic<int64_t> left_{0};
  std::mutex mutex_;
  std::chrono::steady_clock::time_point last_refusal_{};
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_VMA_BUDGET_H_
