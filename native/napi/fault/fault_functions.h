// Owns the native functions of mapped files and of the regions that show them.
#ifndef NODE_DAX_NATIVE_FAULT_FUNCTIONS_H_
#define NODE_DAX_NATIVE_FAULT_FUNCTIONS_H_

#include <napi.h>

namespace dax {

// Adds faultConnect, faultFile, … and regionOpen, … to the exports (src/binding.ts declares them).
void InitFaultFunctions(Napi::Env env, Napi::Object exports);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_FAULT_FUNCTIONS_H_
