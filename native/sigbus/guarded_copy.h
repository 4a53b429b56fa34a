// Copies between a mapping and user memory that survive a SIGBUS: the bytes before the bad page, then an
// errno.
#ifndef NODE_DAX_NATIVE_GUARDED_COPY_H_
#define NODE_DAX_NATIVE_GUARDED_COPY_H_

#include <cstddef>
#include <cstdint>

namespace dax {

// A piece of work between `length` bytes of a mapping and as many of user memory (null when it has none, as
// for zeros).
struct Transfer {
  char* device;
  char* user;
  size_t length;
  // Moves the first `length` bytes. Must hold nothing that needs a destructor: it may be left in the middle.
  void (*move)(const Transfer& transfer, size_t length);
  const void* context;
};

// Returns the bytes moved; if none could be, -EIO (the mapping's page is poisoned or beyond the file's end)
// or -EFAULT (the user's memory is).
int64_t GuardedTransfer(const Transfer& transfer);

// Called by the SIGBUS handler: leaves the copy that this thread is in if the address belongs to it.
void EscapeGuardedCopy(uintptr_t fault_address);

// Once per process, before the first copy.
void InitializeGuards();

}  // namespace dax

#endif  // NODE_DAX_NATIVE_GUARDED_COPY_H_
