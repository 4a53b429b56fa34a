// The JavaScript face of files that are mapped and of the regions they are looked at through.
#ifndef NODE_DAX_NATIVE_FAULT_MAPPING_H_
#define NODE_DAX_NATIVE_FAULT_MAPPING_H_

#include <napi.h>

namespace dax {

// Adds faultConnect, faultFile, … and regionOpen, … to the exports (src/binding.ts declares them).
void InitFaultMapping(Napi::Env env, Napi::Object exports);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_FAULT_MAPPING_H_
