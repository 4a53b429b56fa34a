// Owns the notice on standard error about a thread that has waited long for another.
#ifndef NODE_DAX_NATIVE_WAIT_NOTICE_H_
#define NODE_DAX_NATIVE_WAIT_NOTICE_H_

#include <cstdint>

#include "fault/fault_client.h"

namespace dax {

// `thread`, as gettid() names it, touched a region of `viewer`, and `owner`, whose file it shows, does not
// answer.
struct Wait {
  uint32_t thread;
  const FaultClient& viewer;
  const FaultClient& owner;
};

// Writes one line to standard error without waiting for its reader. The thread has waited for `since`
// seconds, and will wait for `at_most`.
void TellOfWait(const Wait& wait, int64_t since, int64_t at_most);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_WAIT_NOTICE_H_
