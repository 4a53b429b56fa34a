// Owns the thread that serves the process's faults, and finds the region and the file of each.
#ifndef NODE_DAX_NATIVE_FAULT_SERVICE_H_
#define NODE_DAX_NATIVE_FAULT_SERVICE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "fault/fault_file.h"
#include "fault/fault_region.h"
#include "fault/userfault.h"

namespace dax {

// The thread touches no memory of a device, and waits for no thread that may be in a fault.
class FaultService {
 public:
  // Starts the thread at the first call. It lives as long as the process.
  static FaultService& Get();

  // Reserves a region of a file. Its faults are served until the last reference to it goes. Returns 0 or
  // -errno.
  int Open(const std::shared_ptr<FaultFile>& file, const RegionShape& shape,
           std::shared_ptr<FaultClient> client, std::shared_ptr<FaultRegion>* result);

 private:
  struct Entry {
    uintptr_t end;
    std::weak_ptr<FaultRegion> region;
    std::shared_ptr<FaultFile> file;
  };
  struct Target {
    std::shared_ptr<FaultRegion> region;
    std::shared_ptr<FaultFile> file;
  };

  FaultService();
  [[noreturn]] void Run();
  std::shared_ptr<FaultFile> Remove(const FaultRegion& region);
  // Returns false if the event must be tried again after more messages were read.
  bool Handle(const FaultEvent& event);
  void LookAround();
  Target FindAddress(uintptr_t address);
  std::vector<Target> All();

  const int wake_;
  std::mutex mutex_;
  // The regions, by their first address.
  std::map<uintptr_t, Entry> regions_;
  // Whether a thread waits for an owner's answer. Only the service thread uses it.
  bool waiting_ = false;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_FAULT_SERVICE_H_
