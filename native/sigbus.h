// Owns the process's SIGBUS handler.
#ifndef NODE_DAX_NATIVE_SIGBUS_H_
#define NODE_DAX_NATIVE_SIGBUS_H_

namespace dax {

// Before every open: whoever set another handler since, such as process.on('SIGBUS'), comes second again.
// From then on a SIGBUS in a guarded copy ends the copy; one in a mapping of ours (a load or store of
// JavaScript) puts private zeros in place of the page; every other one goes to the handler that was there
// before.
void InstallSigbusHandler();

}  // namespace dax

#endif  // NODE_DAX_NATIVE_SIGBUS_H_
