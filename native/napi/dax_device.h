// The JavaScript face of a source and its mappings: one native function an operation, each given the device's
// handle.
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

// The device of a handle among the arguments, for mappings of a file on it: the same one each time. Null with
// a TypeError pending, or with 0 or -EBADF in `error`: there is none once it is closed.
std::shared_ptr<const Backing> GetBacking(const Args& args, size_t index, int* error);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_DAX_DEVICE_H_
