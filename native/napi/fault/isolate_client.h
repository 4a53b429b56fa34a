// Owns the messages from the service thread to the thread of an isolate.
#ifndef NODE_DAX_NATIVE_ISOLATE_CLIENT_H_
#define NODE_DAX_NATIVE_ISOLATE_CLIENT_H_

#include <napi.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "fault/fault_client.h"
#include "fault/fault_file.h"

namespace dax {

class IsolateClient final : public FaultClient {
 public:
  // Makes the client that calls `callback(isLoss, file, region, page, isStore or errno, isProtected)` on the
  // isolate's thread. `worker` is what worker() returns. Returns null with an exception pending.
  static std::shared_ptr<IsolateClient> Connect(napi_env env, napi_value callback, uint32_t worker);

  uint32_t thread() const override { return thread_; }
  uint32_t worker() const override { return worker_; }
  bool Ask(uint64_t file, uint64_t region, uint64_t page, bool write, bool write_protected) override;
  void TellLoss(uint64_t region, uint64_t page, int error) override;

  // Call it before the isolate ends: the isolate will wait for its threads, which may be waiting for its
  // answers.
  void Leave();
  // Records a file of this isolate. It is abandoned once the isolate is gone.
  void Own(const std::shared_ptr<FaultFile>& file);

 private:
  struct Message {
    bool loss;
    uint64_t file;
    uint64_t region;
    uint64_t page;
    bool write;
    bool write_protected;
    int error;
  };

  explicit IsolateClient(uint32_t worker);
  std::vector<std::shared_ptr<FaultFile>> Files();
  bool Send(const Message& message);
  void Disconnect();
  static void Receive(napi_env env, napi_value callback, void* context, void* data);

  const uint32_t thread_;
  const uint32_t worker_;
  std::mutex mutex_;
  napi_threadsafe_function queue_ = nullptr;  // null once disconnected
  bool answers_ = true;
  std::vector<std::weak_ptr<FaultFile>> files_;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_ISOLATE_CLIENT_H_
