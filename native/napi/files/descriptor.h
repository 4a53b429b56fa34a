// Owns the native functions that wait for descriptors for which node:fs cannot wait, and that receive
// descriptors from another process.
#ifndef NODE_DAX_NATIVE_DESCRIPTOR_H_
#define NODE_DAX_NATIVE_DESCRIPTOR_H_

#include <napi.h>

namespace dax {

// Adds watchReadable, unwatch, readAvailable, exchange, socketPair and receiveDescriptor to the exports.
void InitDescriptor(Napi::Env env, Napi::Object exports);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_DESCRIPTOR_H_
