#include "sigbus/fault_signals.h"

#include <signal.h>

#include <cerrno>
#include <cstdint>
#include <mutex>

#include "sigbus/guarded_copy.h"
#include "sigbus/mapped_range.h"

#ifndef BUS_MCEERR_AR
#define BUS_MCEERR_AR 4
#endif
#ifndef BUS_MCEERR_AO
#define BUS_MCEERR_AO 5
#endif

namespace dax {
namespace {

struct sigaction previous_bus;
struct sigaction previous_segv;

void CallPrevious(const struct sigaction& previous, int signal_number, siginfo_t* info, void* context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal_number, info, context);
  } else if (previous.sa_handler == SIG_DFL || previous.sa_handler == SIG_IGN) {
    // Acts as if this handler did not exist: the access is repeated on return, and a signal that was sent is
    // sent again.
    signal(signal_number, SIG_DFL);
    if (info->si_code <= 0) raise(signal_number);
  } else {
    previous.sa_handler(signal_number);
  }
}

void OnSigbus(int signal_number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  // With si_code > 0 the kernel has raised the signal for an access, and si_addr is valid.
  if (info->si_code > 0) {
    // "Action optional" is about a page that no thread has touched, and ends no copy.
    if (info->si_code != BUS_MCEERR_AO) EscapeGuardedCopy(address);
    MappedRange* const range = MappedRange::Find(address);
    // The kernel reports bad memory only once.
    const bool certain = info->si_code == BUS_MCEERR_AR || info->si_code == BUS_MCEERR_AO;
    const bool survives = range != nullptr && range->on_loss() == OnLoss::kZeros;
    // The interrupted thread may hold the range, so the handler must not wait. A touch of the page will raise
    // the signal again.
    if (survives && info->si_code == BUS_MCEERR_AO) {
      if (!range->try_lock()) {
        errno = saved_errno;
        return;
      }
      range->unlock();
    }
    if (survives && range->ReplaceWithZeros(address, certain)) {
      errno = saved_errno;
      return;
    }
  }
  CallPrevious(previous_bus, signal_number, info, context);
  errno = saved_errno;
}

void OnSigsegv(int signal_number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  if (info->si_code == SEGV_ACCERR) {
    MappedRange* const range = MappedRange::Find(address);
    if (range != nullptr && range->withdrawn()) {
      EscapeGuardedCopy(address);
      if (range->FillWithdrawn(address)) {
        errno = saved_errno;
        return;
      }
    } else if (range != nullptr && range->on_store() == OnStore::kWait) {
      const std::lock_guard<MappedRange> wait(*range);
      errno = saved_errno;
      return;
    } else if (range != nullptr && range->on_loss() == OnLoss::kZeros) {
      // If a guarded copy was storing there, the fault is in its user memory.
      EscapeGuardedCopy(address);
      if (range->ReplaceWithCopy(address)) {
        errno = saved_errno;
        return;
      }
    }
  }
  CallPrevious(previous_segv, signal_number, info, context);
  errno = saved_errno;
}

void Install(int signal_number, void (*handler)(int, siginfo_t*, void*), struct sigaction* previous) {
  struct sigaction current = {};
  sigaction(signal_number, nullptr, &current);
  if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == handler) return;
  *previous = current;
  struct sigaction action = {};
  action.sa_sigaction = handler;
  // SA_NODEFER, because siglongjmp leaves a copy and must not leave the signal blocked.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
  sigaction(signal_number, &action, nullptr);
}

}  // namespace

void InstallSignalHandlers() {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  Install(SIGBUS, OnSigbus, &previous_bus);
  Install(SIGSEGV, OnSigsegv, &previous_segv);
}

}  // namespace dax
