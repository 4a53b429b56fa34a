// Owns the native functions that open a device: at once, or on a thread of libuv's pool.
#ifndef NODE_DAX_NATIVE_OPEN_DEVICE_H_
#define NODE_DAX_NATIVE_OPEN_DEVICE_H_

#include <napi.h>

namespace dax {

// Adds open and openAsync to the exports.
void InitOpenDevice(Napi::Env env, Napi::Object exports);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_OPEN_DEVICE_H_
