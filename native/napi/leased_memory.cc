#include "napi/leased_memory.h"

#include <cerrno>

#include "napi/args.h"

namespace dax {

napi_value LeaseMemory(napi_env env, char* address, size_t length, std::shared_ptr<void> owner) {
  auto* const lease = new std::shared_ptr<void>(std::move(owner));
  const napi_finalize release = [](napi_env, void*, void* hint) {
    delete static_cast<std::shared_ptr<void>*>(hint);
  };
  napi_value buffer = nullptr;
  const napi_status status = napi_create_external_arraybuffer(env, address, length, release, lease, &buffer);
  if (status == napi_ok) {
    // The object holds a second lease, because work on a detached view (fs.read, zlib) still holds the
    // object.
    auto* const object_lease = new std::shared_ptr<void>(*lease);
    if (napi_wrap(env, buffer, object_lease, release, object_lease, nullptr) != napi_ok) delete object_lease;
    return buffer;
  }
  // Runtimes with a memory cage refuse without calling the finalizer; every other failure has called it.
  if (status == napi_no_external_buffers_allowed) {
    delete lease;
    return ToResult(env, -EOPNOTSUPP);
  }
  bool pending = false;
  napi_is_exception_pending(env, &pending);
  return pending ? nullptr : ToResult(env, -ENOMEM);
}

}  // namespace dax
