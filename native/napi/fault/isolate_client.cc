#include "napi/fault/isolate_client.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace dax {

IsolateClient::IsolateClient(uint32_t worker)
    : thread_(static_cast<uint32_t>(syscall(SYS_gettid))), worker_(worker) {}

std::shared_ptr<IsolateClient> IsolateClient::Connect(napi_env env, napi_value callback, uint32_t worker) {
  std::shared_ptr<IsolateClient> client(new IsolateClient(worker));
  napi_value name;
  if (napi_create_string_utf8(env, "node-dax:faults", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_threadsafe_function(env, callback, nullptr, name, 0, 1, nullptr, nullptr, nullptr, Receive,
                                      &client->queue_) != napi_ok) {
    return nullptr;
  }
  // The queue must not keep a program running that only waits for faults.
  napi_unref_threadsafe_function(env, client->queue_);
  // This hook is added after the queue's own and so runs before it: nothing is sent to a queue that is gone.
  auto* const held = new std::shared_ptr<IsolateClient>(client);
  napi_add_env_cleanup_hook(
      env,
      [](void* data) {
        const std::unique_ptr<std::shared_ptr<IsolateClient>> last(
            static_cast<std::shared_ptr<IsolateClient>*>(data));
        (*last)->Disconnect();
      },
      held);
  return client;
}

void IsolateClient::Disconnect() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    napi_release_threadsafe_function(queue_, napi_tsfn_abort);
    queue_ = nullptr;
  }
  for (const std::shared_ptr<FaultFile>& file : Files()) file->Abandon();
}

void IsolateClient::Leave() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    answers_ = false;
  }
  for (const std::shared_ptr<FaultFile>& file : Files()) file->AnswerNobody();
}

std::vector<std::shared_ptr<FaultFile>> IsolateClient::Files() {
  const std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::shared_ptr<FaultFile>> files;
  for (const std::weak_ptr<FaultFile>& weak : files_) {
    if (std::shared_ptr<FaultFile> file = weak.lock()) files.push_back(std::move(file));
  }
  return files;
}

void IsolateClient::Own(const std::shared_ptr<FaultFile>& file) {
  const std::lock_guard<std::mutex> lock(mutex_);
  files_.erase(std::remove_if(files_.begin(), files_.end(),
                              [](const std::weak_ptr<FaultFile>& weak) { return weak.expired(); }),
               files_.end());
  files_.push_back(file);
}

bool IsolateClient::Send(const Message& message) {
  auto copy = std::make_unique<Message>(message);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (queue_ == nullptr || !(message.loss || answers_)) return false;
  if (napi_call_threadsafe_function(queue_, copy.get(), napi_tsfn_nonblocking) != napi_ok) return false;
  copy.release();
  return true;
}

bool IsolateClient::Ask(uint64_t file, uint64_t region, uint64_t page, bool write, bool write_protected) {
  return Send({false, file, region, page, write, write_protected, 0});
}

void IsolateClient::TellLoss(uint64_t region, uint64_t page, int error) {
  Send({true, 0, region, page, false, false, error});
}

// If the isolate is going away, the environment is null, and the message is only freed.
void IsolateClient::Receive(napi_env env, napi_value callback, void*, void* data) {
  const std::unique_ptr<Message> message(static_cast<Message*>(data));
  if (env == nullptr || callback == nullptr) return;
  napi_value receiver, arguments[6];
  napi_get_undefined(env, &receiver);
  napi_get_boolean(env, message->loss, &arguments[0]);
  napi_create_int64(env, static_cast<int64_t>(message->file), &arguments[1]);
  napi_create_int64(env, static_cast<int64_t>(message->region), &arguments[2]);
  napi_create_int64(env, static_cast<int64_t>(message->page), &arguments[3]);
  if (message->loss) {
    napi_create_int32(env, message->error, &arguments[4]);
  } else {
    napi_get_boolean(env, message->write, &arguments[4]);
  }
  napi_get_boolean(env, message->write_protected, &arguments[5]);
  napi_call_function(env, receiver, callback, 6, arguments, nullptr);
}

}  // namespace dax
