// Owns the process's userfaultfd: opens it in the fullest mode that the kernel and this process's rights
// allow, and makes all requests to it.
#ifndef NODE_DAX_NATIVE_USERFAULT_H_
#define NODE_DAX_NATIVE_USERFAULT_H_

#include <cstddef>
#include <cstdint>

namespace dax {

// Which touches of reserved memory without a page are served.
enum class FaultMode {
  // Every touch is served, including those by system calls.
  kFull,
  // Only touches by code of the process are served; a system call gets EFAULT (U-5).
  kUserOnly,
  // No touch is served, and everything must be installed beforehand.
  kNone,
};

// A touch that waits to be served.
struct FaultEvent {
  uintptr_t address;
  // Whether the touch is a store. Its page is absent, or, if `write_protected`, present and protected.
  bool write;
  bool write_protected;
  // The thread, as gettid() names it.
  uint32_t thread;
};

class Userfault {
 public:
  // Opens it at the first call, once. NODE_DAX_FAULTS=user or none restricts the mode.
  static Userfault& Get();

  FaultMode mode() const { return mode_; }
  int fd() const { return fd_; }

  // Each request returns 0 or -errno. -EAGAIN means that an mremap waits until its message is read: the
  // thread that reads messages must read it before the request is made again.
  int Register(void* start, size_t length) const;
  // Lets the threads that wait in the range touch it again.
  int Wake(void* start, size_t length) const;
  // Installs a copy of `source`, or zeros if it is null, where there is no page yet. With `protect` the first
  // store to it raises an event. Reading the source must not need a fault. Wakes no thread.
  int Fill(void* start, const void* source, size_t length, bool protect) const;
  // Allows stores to protected pages. Wakes no thread.
  int Unprotect(void* start, size_t length) const;

  // Reads up to `capacity` events without waiting. Reads other messages too, and drops them.
  size_t Read(FaultEvent* events, size_t capacity) const;

 private:
  Userfault();

  int fd_ = -1;
  FaultMode mode_ = FaultMode::kNone;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_USERFAULT_H_
