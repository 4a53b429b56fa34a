// Owns the notice on standard error about a thread that has waited long for another.
#ifndef NODE_DAX_NATIVE_WAIT_NOTICE_H_
#define NODE_DAX_NATIVE_WAIT_NOTICE_H_

#include <cstdint>

#include "fault/fault_client.h"

namespace dax {

// The thread `thread` (as gettid() names it) touched a region of the isolate `viewer`. The region shows a
// file of the isolate `owner`, which does not answer.
struct Wait {
  uint32_t thread;
  const FaultClient& viewer;
  const FaultClient& owner;
};

// Writes one line to standard error, and does not wait if its reader is slow. The thread has waited for
// `since` seconds, and will wait for at most `at_most`.
void TellOfWait(const Wait& wait, int64_t since, int64_t at_most);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_WAIT_NOTICE_H_
