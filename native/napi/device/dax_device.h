// Owns the native functions of an open device, a source and its mappings: one function for each operation,
// which gets the device's handle.
#ifndef NODE_DAX_NATIVE_DAX_DEVICE_H_
#define NODE_DAX_NATIVE_DAX_DEVICE_H_

#include <napi.h>

namespace dax {

// Adds read, write, copyAsync, flush, drain, deepFlush, resize, segment, detach and close to the exports.
void InitDaxDevice(Napi::Env env, Napi::Object exports);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_DAX_DEVICE_H_
