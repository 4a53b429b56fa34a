// Owns the interface to an isolate, which may own files and may map files, its own or others', through
// regions.
#ifndef NODE_DAX_NATIVE_FAULT_CLIENT_H_
#define NODE_DAX_NATIVE_FAULT_CLIENT_H_

#include <cstdint>

namespace dax {

// The service thread calls these functions, which must not wait.
class FaultClient {
 public:
  virtual ~FaultClient() = default;

  // The thread that the isolate runs on, as gettid() names it.
  virtual uint32_t thread() const = 0;
  // The threadId of the isolate in node:worker_threads, which is 0 for the main thread.
  virtual uint32_t worker() const = 0;
  // Asks the owner of a file where a page is. The owner answers by FaultFile::Answer. Returns false if the
  // owner is gone.
  virtual bool Ask(uint64_t file, uint64_t region, uint64_t page, bool write, bool write_protected) = 0;
  // Tells the isolate that a page of its region shows zeros instead of the file. `error` says why.
  virtual void TellLoss(uint64_t region, uint64_t page, int error) = 0;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_FAULT_CLIENT_H_
