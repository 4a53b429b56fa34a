// The JavaScript face of a source and its mappings: one native function an operation, each given the device's
// handle.
#ifndef NODE_DAX_NATIVE_DAX_DEVICE_H_
#define NODE_DAX_NATIVE_DAX_DEVICE_H_

#include <napi.h>

namespace dax {

// Adds open, read, write, copyAsync, flush, drain, deepFlush, resize, segment, detach and close to the
// exports.
void InitDaxDevice(Napi::Env env, Napi::Object exports);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_DAX_DEVICE_H_
