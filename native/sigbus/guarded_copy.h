// Owns copies between a mapping and user memory that survive a SIGBUS: they move the bytes before the bad
// page, and then return an errno.
#ifndef NODE_DAX_NATIVE_GUARDED_COPY_H_
#define NODE_DAX_NATIVE_GUARDED_COPY_H_

#include <cstddef>
#include <cstdint>

namespace dax {

// A copy between `length` bytes of a mapping and as many of user memory, which is null if the copy needs
// none, as for zeros.
struct Transfer {
  char* device;
  char* user;
  size_t length;
  // Moves the first `length` bytes. It must hold no object with a destructor, because a signal may leave it
  // in the middle.
  void (*move)(const Transfer& transfer, size_t length);
  const void* context;
};

// Returns the bytes moved. If it can move none, returns -EIO (the page of the mapping is poisoned or past the
// end of the file) or -EFAULT (the user's memory faulted).
int64_t GuardedTransfer(const Transfer& transfer);

// Leaves the copy that this thread is in, if the address belongs to that copy. The SIGBUS handler calls it.
void EscapeGuardedCopy(uintptr_t fault_address);

// Call it once in the process, before the first copy.
void InitializeGuards();

}  // namespace dax

#endif  // NODE_DAX_NATIVE_GUARDED_COPY_H_
