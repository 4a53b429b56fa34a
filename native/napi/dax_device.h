// Owns the native functions of a device, a source and its mappings: one function for each operation, which
// gets the device's handle.
#ifndef NODE_DAX_NATIVE_DAX_DEVICE_H_
#define NODE_DAX_NATIVE_DAX_DEVICE_H_

#include <napi.h>

#include <cstddef>
#include <memory>

#include "fault/fault_region.h"
#include "napi/args.h"

namespace dax {

// Adds open, read, write, copyAsync, flush, drain, deepFlush, resize, segment, detach and close to the
// exports.
void InitDaxDevice(Napi::Env env, Napi::Object exports);

// Returns the device of the handle at `index`, for mappings of a file on it: always the same object. Returns
// null with a TypeError pending, or with -EBADF in `error` once the device is closed.
std::shared_ptr<const Backing> GetBacking(const Args& args, size_t index, int* error);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_DAX_DEVICE_H_
