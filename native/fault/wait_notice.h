// Tells people of a thread that waits long for another.
#ifndef NODE_DAX_NATIVE_WAIT_NOTICE_H_
#define NODE_DAX_NATIVE_WAIT_NOTICE_H_

#include <cstdint>

#include "fault/fault_client.h"

namespace dax {

// `thread`, as gettid() names it, touched memory that `viewer` looks through, and `owner` does not answer.
struct Wait {
  uint32_t thread;
  const FaultClient& viewer;
  const FaultClient& owner;
};

// Writes one line to standard error, and does not wait for whoever reads it. The thread has waited for
// `since` seconds, and will for `at_most`.
void TellOfWait(const Wait& wait, int64_t since, int64_t at_most);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_WAIT_NOTICE_H_
