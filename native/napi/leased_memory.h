// Owns ArrayBuffers of memory that is not V8's. They keep that memory alive for as long as JavaScript may use
// it.
#ifndef NODE_DAX_NATIVE_LEASED_MEMORY_H_
#define NODE_DAX_NATIVE_LEASED_MEMORY_H_

#include <napi.h>

#include <cstddef>
#include <memory>

namespace dax {

// Makes an ArrayBuffer of `length` bytes at `address`, which `owner` keeps alive. Returns -EOPNOTSUPP if the
// runtime allows no such buffer, -ENOMEM, or null with an exception pending.
napi_value LeaseMemory(napi_env env, char* address, size_t length, std::shared_ptr<void> owner);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_LEASED_MEMORY_H_
