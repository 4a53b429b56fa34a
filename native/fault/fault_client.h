// The isolate at the other end of a fault: it owns files, and looks through regions.
#ifndef NODE_DAX_NATIVE_FAULT_CLIENT_H_
#define NODE_DAX_NATIVE_FAULT_CLIENT_H_

#include <cstdint>

namespace dax {

// Calls come from the service thread and must not wait.
class FaultClient {
 public:
  virtual ~FaultClient() = default;

  // The thread that the isolate runs on, as gettid() names it.
  virtual uint32_t thread() const = 0;
  // Its threadId in node:worker_threads: 0 is the main thread's.
  virtual uint32_t worker() const = 0;
  // Asks the owner of a file where a page is. It answers by FaultFile::Answer. False: it is gone.
  virtual bool Ask(uint64_t file, uint64_t region, uint64_t page, bool write, bool write_protected) = 0;
  // Tells whoever looks through a region that a page of it is zeros instead of the file's. `error` says why.
  virtual void TellLoss(uint64_t region, uint64_t page, int error) = 0;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_FAULT_CLIENT_H_
