#include "fault/fault_service.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <thread>

#include "sigbus/fault_signals.h"
#include "sigbus/mapped_range.h"

namespace dax {

FaultService& FaultService::Get() {
  // The service is never destroyed, because its thread uses it until the process ends.
  static FaultService* const instance = new FaultService();
  return *instance;
}

FaultService::FaultService() : wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  InstallSignalHandlers();
  SetLossListener(wake_);
  // The thread blocks all signals, which Node's own threads handle.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread([this] { Run(); });
  pthread_setname_np(thread.native_handle(), "dax-faults");
  thread.detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

int FaultService::Open(const std::shared_ptr<FaultFile>& file, const RegionShape& shape,
                       std::shared_ptr<FaultClient> client, std::shared_ptr<FaultRegion>* result) {
  std::unique_ptr<FaultRegion> reserved;
  if (const int error = FaultRegion::Reserve(shape, std::move(client), &reserved)) return error;
  // The region is removed from the list before its addresses are unmapped and given to others.
  const auto release = [this](FaultRegion* region) {
    const std::shared_ptr<FaultFile> last = Remove(*region);
    delete region;
    if (last) last->Settle();
  };
  const std::shared_ptr<FaultRegion> region(reserved.release(), release);
  {
    const auto start = reinterpret_cast<uintptr_t>(region->address());
    const std::lock_guard<std::mutex> lock(mutex_);
    regions_[start] = {start + region->length(), region, file};
  }
  if (const int error = file->Add(region)) return error;
  *result = region;
  return 0;
}

std::shared_ptr<FaultFile> FaultService::Remove(const FaultRegion& region) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = regions_.find(reinterpret_cast<uintptr_t>(region.address()));
  if (found == regions_.end()) return nullptr;
  std::shared_ptr<FaultFile> file = std::move(found->second.file);
  regions_.erase(found);
  return file;
}

FaultService::Target FaultService::FindAddress(uintptr_t address) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto found = regions_.upper_bound(address);
  if (found == regions_.begin()) return {};
  --found;
  if (address >= found->second.end) return {};
  return {found->second.region.lock(), found->second.file};
}

std::vector<FaultService::Target> FaultService::All() {
  std::vector<Target> all;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [start, entry] : regions_) {
    if (std::shared_ptr<FaultRegion> region = entry.region.lock())
      all.push_back({std::move(region), entry.file});
  }
  return all;
}

bool FaultService::Handle(const FaultEvent& event) {
  const Target target = FindAddress(event.address);
  // A region without references is about to be unmapped, and no thread can touch it.
  if (!target.region) return true;
  const FaultFile::Outcome outcome = target.file->Serve(*target.region, event);
  if (outcome == FaultFile::Outcome::kWaiting) waiting_ = true;
  return outcome != FaultFile::Outcome::kPostponed;
}

void FaultService::LookAround() {
  uint64_t count;
  if (read(wake_, &count, sizeof count) < 0 && !waiting_) return;
  waiting_ = false;
  const auto now = std::chrono::steady_clock::now();
  for (const Target& target : All()) {
    target.file->TellLosses(*target.region);
    if (target.file->Expire(now)) waiting_ = true;
  }
}

void FaultService::Run() {
  using Clock = std::chrono::steady_clock;
  constexpr size_t kBatch = 16;
  constexpr int kSecond = 1000;
  // A thread that has faulted mostly faults again on the next page. Polling for that fault is faster than
  // being woken by it.
  constexpr std::chrono::microseconds kAttention{50};
  constexpr std::chrono::milliseconds kPatience{1};
  const Userfault& userfault = Userfault::Get();
  FaultEvent events[kBatch];
  // Events that can be served only after the kernel's other messages were read.
  std::vector<FaultEvent> postponed;
  Clock::time_point looked = Clock::now();
  for (;;) {
    struct pollfd sources[] = {{userfault.fd(), POLLIN, 0}, {wake_, POLLIN, 0}};
    const int timeout = !postponed.empty() ? 1 : waiting_ ? kSecond : -1;
    poll(sources, 2, timeout);
    if ((sources[0].revents & POLLIN) != 0) {
      const Clock::time_point end = Clock::now() + kPatience;
      Clock::time_point until;
      Clock::time_point now;
      do {
        const size_t count = userfault.Read(events, kBatch);
        for (size_t i = 0; i < count; i++) {
          if (!Handle(events[i])) postponed.push_back(events[i]);
        }
        now = Clock::now();
        if (count > 0) until = std::min(now + kAttention, end);
        // The thread that was served may need this processor.
        if (count == 0) sched_yield();
      } while (now < until && postponed.empty());
    }
    // Losses are reported and late questions refused even while faults keep coming.
    const bool due = waiting_ && Clock::now() >= looked + std::chrono::seconds(1);
    if (due || (sources[1].revents & POLLIN) != 0) {
      LookAround();
      looked = Clock::now();
    }
    std::vector<FaultEvent> again;
    again.swap(postponed);
    for (const FaultEvent& event : again) {
      if (!Handle(event)) postponed.push_back(event);
    }
  }
}

}  // namespace dax
