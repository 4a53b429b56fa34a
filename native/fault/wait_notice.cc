#include "fault/wait_notice.h"

#include <pthread.h>
#include <unistd.h>

#include <memory>
#include <string>

namespace dax {
namespace {

std::string NameOf(const FaultClient& isolate) {
  const std::string worker = std::to_string(isolate.worker());
  const std::string name = isolate.worker() == 0 ? "the main thread" : "worker " + worker;
  return name + " (thread " + std::to_string(isolate.thread()) + ")";
}

void* WriteLine(void* data) {
  const std::unique_ptr<std::string> line(static_cast<std::string*>(data));
  const ssize_t written = write(STDERR_FILENO, line->data(), line->size());
  static_cast<void>(written);
  return nullptr;
}

}  // namespace

void TellOfWait(const Wait& wait, int64_t since, int64_t at_most) {
  const bool by_viewer = wait.thread == wait.viewer.thread();
  const std::string waiter =
      by_viewer ? NameOf(wait.viewer) : "thread " + std::to_string(wait.thread) + " of this process";
  auto line = std::make_unique<std::string>(
      "node-dax: " + waiter + " has waited " + std::to_string(since) + " s for " + NameOf(wait.owner) +
      " to answer a page fault in a file that it owns. While that one is blocked it cannot; the fault fails "
      "with ETIMEDOUT (OWNER_BUSY) after " +
      std::to_string(at_most) + " s.\n");
  // A separate thread writes, because standard error may be a full pipe whose reader is the blocked thread.
  pthread_t writer;
  if (pthread_create(&writer, nullptr, WriteLine, line.get()) != 0) return;
  line.release();
  pthread_detach(writer);
}

}  // namespace dax
