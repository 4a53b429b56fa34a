// Owns the process's handlers of the signals that an access to memory can raise.
#ifndef NODE_DAX_NATIVE_FAULT_SIGNALS_H_
#define NODE_DAX_NATIVE_FAULT_SIGNALS_H_

namespace dax {

// Before every open: whoever set another handler since, such as process.on('SIGBUS'), comes second again.
// From then on a SIGBUS in a guarded copy ends the copy; one in a mapping of ours (a load or store of
// JavaScript) puts private zeros in place of the page. A SIGSEGV for a store to a mapping of ours that may
// only be read puts a private copy there; one in a mapping that was closed, private zeros. Everything else
// goes to the handler that was there before.
void InstallSignalHandlers();

}  // namespace dax

#endif  // NODE_DAX_NATIVE_FAULT_SIGNALS_H_
