// Owns the process's userfaultfd: opening it with as much as the kernel and this process's rights allow, and
// the requests made of it.
#ifndef NODE_DAX_NATIVE_USERFAULT_H_
#define NODE_DAX_NATIVE_USERFAULT_H_

#include <cstddef>
#include <cstdint>

namespace dax {

// What a touch of reserved memory that has no page yet comes to.
enum class FaultMode {
  // Every touch, system calls' included, is served.
  kFull,
  // Only touches by code of the process are; a system call gets EFAULT (U-5).
  kUserOnly,
  // None: everything must be installed beforehand.
  kNone,
};

// A touch that waits to be served.
struct FaultEvent {
  uintptr_t address;
  // A store, to a page that is absent or, if `write_protected`, present and protected.
  bool write;
  bool write_protected;
  // The thread, as gettid() names it.
  uint32_t thread;
};

class Userfault {
 public:
  // Opened once, at the first call. NODE_DAX_FAULTS=user or none restricts what is found.
  static Userfault& Get();

  FaultMode mode() const { return mode_; }
  int fd() const { return fd_; }

  // Each returns 0 or -errno. -EAGAIN: mremap waits until its message is read; the thread that reads them
  // must do so before it tries again.
  int Register(void* start, size_t length) const;
  // Lets the threads that wait in the range touch it again.
  int Wake(void* start, size_t length) const;
  // Puts a copy of `source`, or zeros if it is null, where no page is yet; with `protect` the first store to
  // it is an event. No fault may be needed to read the source. Wakes nobody.
  int Fill(void* start, const void* source, size_t length, bool protect) const;
  // Lets stores pass. Wakes nobody.
  int Unprotect(void* start, size_t length) const;

  // Up to `capacity` events without waiting; other messages are taken in and dropped.
  size_t Read(FaultEvent* events, size_t capacity) const;

 private:
  Userfault();

  int fd_ = -1;
  FaultMode mode_ = FaultMode::kNone;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_USERFAULT_H_
