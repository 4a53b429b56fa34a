#include "fault/userfault.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

namespace dax {
namespace {

// EVENT_REMAP keeps memory registered when mremap moves it (U-2); THREAD_ID shows whether a fault is the
// owner's own.
constexpr uint64_t kFeatures =
    UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_THREAD_ID;

constexpr size_t kPageSize = 4096;
alignas(kPageSize) const char kZeros[kPageSize] = {};

int OpenAs(int extra_flags) {
  return static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | extra_flags));
}

// Where only privileged processes may make the system call, the device node may be open to others.
int OpenFromDevice() {
  const int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
  if (device < 0) return -1;
  const int fd = ioctl(device, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
  close(device);
  return fd;
}

// Returns -1 if the kernel lacks a feature that is needed.
int Agree(int fd) {
  if (fd < 0) return -1;
  struct uffdio_api api = {};
  api.api = UFFD_API;
  api.features = kFeatures;
  if (ioctl(fd, UFFDIO_API, &api) == 0) return fd;
  close(fd);
  return -1;
}

int Request(int fd, unsigned long request, void* argument) {
  return ioctl(fd, request, argument) == 0 ? 0 : -errno;
}

uint64_t Address(const void* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

}  // namespace

Userfault& Userfault::Get() {
  // Never destroyed: threads may fault until the process ends.
  static Userfault* const instance = new Userfault();
  return *instance;
}

Userfault::Userfault() {
  const char* const wish = getenv("NODE_DAX_FAULTS");
  if (wish != nullptr && strcmp(wish, "none") == 0) return;
  if (wish == nullptr || strcmp(wish, "user") != 0) {
    fd_ = Agree(OpenAs(0));
    if (fd_ < 0) fd_ = Agree(OpenFromDevice());
    if (fd_ >= 0) mode_ = FaultMode::kFull;
  }
  if (fd_ >= 0) return;
  fd_ = Agree(OpenAs(UFFD_USER_MODE_ONLY));
  if (fd_ >= 0) mode_ = FaultMode::kUserOnly;
}

int Userfault::Register(void* start, size_t length) const {
  struct uffdio_register range = {};
  range.range = {Address(start), length};
  range.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;
  return Request(fd_, UFFDIO_REGISTER, &range);
}

int Userfault::Wake(void* start, size_t length) const {
  struct uffdio_range range = {Address(start), length};
  return Request(fd_, UFFDIO_WAKE, &range);
}

int Userfault::Fill(void* start, const void* source, size_t length, bool protect) const {
  for (size_t done = 0; done < length; done += kPageSize) {
    struct uffdio_copy copy = {};
    copy.dst = Address(start) + done;
    copy.src = source == nullptr ? Address(kZeros) : Address(source) + done;
    copy.len = kPageSize;
    copy.mode = UFFDIO_COPY_MODE_DONTWAKE | (protect ? UFFDIO_COPY_MODE_WP : 0);
    const int error = Request(fd_, UFFDIO_COPY, &copy);
    if (error != 0 && error != -EEXIST) return error;
  }
  return 0;
}

int Userfault::Unprotect(void* start, size_t length) const {
  struct uffdio_writeprotect protect = {};
  protect.range = {Address(start), length};
  protect.mode = UFFDIO_WRITEPROTECT_MODE_DONTWAKE;
  return Request(fd_, UFFDIO_WRITEPROTECT, &protect);
}

size_t Userfault::Read(FaultEvent* events, size_t capacity) const {
  constexpr size_t kBatch = 16;
  struct uffd_msg messages[kBatch];
  const ssize_t bytes = read(fd_, messages, std::min(capacity, kBatch) * sizeof *messages);
  size_t count = 0;
  for (ssize_t i = 0; i < bytes / static_cast<ssize_t>(sizeof *messages); i++) {
    const struct uffd_msg& message = messages[i];
    if (message.event != UFFD_EVENT_PAGEFAULT) continue;
    const uint64_t flags = message.arg.pagefault.flags;
    const bool write_protected = (flags & UFFD_PAGEFAULT_FLAG_WP) != 0;
    events[count++] = {static_cast<uintptr_t>(message.arg.pagefault.address),
                       write_protected || (flags & UFFD_PAGEFAULT_FLAG_WRITE) != 0, write_protected,
                       message.arg.pagefault.feat.ptid};
  }
  return count;
}

}  // namespace dax
