#include "sigbus.h"

#include <signal.h>

#include <cerrno>
#include <cstdint>
#include <mutex>

#include "guarded_copy.h"
#include "mapped_range.h"

#ifndef BUS_MCEERR_AO
#define BUS_MCEERR_AO 5
#endif

namespace dax {
namespace {

struct sigaction previous_action;

void CallPrevious(int signal_number, siginfo_t* info, void* context) {
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal_number, info, context);
  } else if (previous_action.sa_handler == SIG_DFL || previous_action.sa_handler == SIG_IGN) {
    // As if this handler had never been: the access is repeated on return; a signal that was sent is sent
    // again.
    signal(signal_number, SIG_DFL);
    if (info->si_code <= 0) raise(signal_number);
  } else {
    previous_action.sa_handler(signal_number);
  }
}

void OnSigbus(int signal_number, siginfo_t* info, void* context) {
  const int saved_errno = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  // si_code > 0: raised by the kernel for an access, so si_addr is meant.
  if (info->si_code > 0) {
    // "Action optional" tells of a page that nobody touched: it interrupts no copy.
    if (info->si_code != BUS_MCEERR_AO) EscapeGuardedCopy(address);
    MappedRange* const range = MappedRange::Find(address);
    if (range != nullptr && range->ReplaceWithZeros(address)) {
      errno = saved_errno;
      return;
    }
  }
  CallPrevious(signal_number, info, context);
  errno = saved_errno;
}

}  // namespace

void InstallSigbusHandler() {
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  struct sigaction current = {};
  sigaction(SIGBUS, nullptr, &current);
  if ((current.sa_flags & SA_SIGINFO) != 0 && current.sa_sigaction == OnSigbus) return;
  previous_action = current;
  struct sigaction action = {};
  action.sa_sigaction = OnSigbus;
  // SA_NODEFER: a copy is left by siglongjmp, which must not leave SIGBUS blocked.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;
  sigaction(SIGBUS, &action, nullptr);
}

}  // namespace dax
