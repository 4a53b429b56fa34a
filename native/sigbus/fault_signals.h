// Owns the process's handlers of the signals that an access to memory can raise.
#ifndef NODE_DAX_NATIVE_FAULT_SIGNALS_H_
#define NODE_DAX_NATIVE_FAULT_SIGNALS_H_

namespace dax {

// Installs the handlers. Call it before every open: handlers that were installed since the last call, such as
// the one of process.on('SIGBUS'), must run after these. From then on a SIGBUS in a guarded copy ends the
// copy, and a SIGBUS in another access to a mapping of node-dax (a load or store of JavaScript) puts private
// zeros in place of the page. A SIGSEGV for a store to a read-only mapping of node-dax puts a private copy in
// place of the page; a SIGSEGV in a mapping that was closed puts private zeros there. All other signals go to
// the handler that was installed before.
void InstallSignalHandlers();

}  // namespace dax

#endif  // NODE_DAX_NATIVE_FAULT_SIGNALS_H_
