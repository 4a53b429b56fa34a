#include "sigbus/guarded_copy.h"

#include <pthread.h>
#include <setjmp.h>

#include <cerrno>

namespace dax {
namespace {

constexpr uintptr_t kPageSize = 4096;

// The handler blocks nothing (SA_NODEFER), so there is no mask to restore, which would be a system call for
// each copy. ThreadSanitizer's handler, which is in front of it, blocks every signal.
#ifdef __SANITIZE_THREAD__
constexpr int kRestoreMask = 1;
#else
constexpr int kRestoreMask = 0;
#endif

struct Guard {
  sigjmp_buf escape;
  const Transfer* volatile armed = nullptr;
  volatile uintptr_t fault_address = 0;
};

// The handler finds the guard by a pthread key: the first access to a thread_local may allocate, which the
// handler must not do on a thread that never copied.
pthread_key_t guard_key;

Guard& ThisThreadGuard() {
  static thread_local Guard guard;
  static thread_local bool known = pthread_setspecific(guard_key, &guard) == 0;
  (void)known;
  return guard;
}

bool Contains(const char* start, size_t length, uintptr_t address) {
  const auto first = reinterpret_cast<uintptr_t>(start);
  return start != nullptr && address >= first && address - first < length;
}

// Returns true if all bytes were moved; otherwise guard.fault_address tells where the copy stopped. It has a
// frame of its own, whose locals are all set before sigsetjmp, so a jump leaves none of them indeterminate.
__attribute__((noinline)) bool TryMove(Guard& guard, const Transfer& transfer, size_t length) {
  if (sigsetjmp(guard.escape, kRestoreMask) != 0) {
    guard.armed = nullptr;
    return false;
  }
  guard.armed = &transfer;
  transfer.move(transfer, length);
  guard.armed = nullptr;
  return true;
}

}  // namespace

void InitializeGuards() {
  pthread_key_create(&guard_key, nullptr);
}

void EscapeGuardedCopy(uintptr_t fault_address) {
  auto* guard = static_cast<Guard*>(pthread_getspecific(guard_key));
  if (guard == nullptr || guard->armed == nullptr) return;
  const Transfer& transfer = *guard->armed;
  if (!Contains(transfer.device, transfer.length, fault_address) &&
      !Contains(transfer.user, transfer.length, fault_address)) {
    return;
  }
  guard->fault_address = fault_address;
  siglongjmp(guard->escape, 1);
}

int64_t GuardedTransfer(const Transfer& transfer) {
  Guard& guard = ThisThreadGuard();
  size_t length = transfer.length;
  // memcpy may have touched a later page first, so the bytes before the page that failed are copied again.
  while (!TryMove(guard, transfer, length)) {
    const uintptr_t fault = guard.fault_address;
    const bool in_device = Contains(transfer.device, transfer.length, fault);
    const auto base = reinterpret_cast<uintptr_t>(in_device ? transfer.device : transfer.user);
    const uintptr_t page = fault / kPageSize * kPageSize;
    if (page <= base) return in_device ? -EIO : -EFAULT;
    length = page - base;
  }
  return static_cast<int64_t>(length);
}

}  // namespace dax
