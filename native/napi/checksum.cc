#include "napi/checksum.h"

#include <cstdint>

#include "checksum/crc32c.h"
#include "napi/args.h"

namespace dax {
namespace {

// crc32c(bytes, previous, offset?, length?) -> checksum
napi_value Checksum(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t previous, offset, length;
  char* memory;
  if (!args.Bytes(1, &previous) || !args.Part(2, &offset, &length) ||
      !args.Memory(0, offset, &length, &memory)) {
    return nullptr;
  }
  return ToResult(env, Crc32c(static_cast<uint32_t>(previous), memory, length));
}

}  // namespace

void InitChecksum(Napi::Env env, Napi::Object exports) {
  const napi_property_descriptor function = {"crc32c", nullptr, Checksum,        nullptr,
                                             nullptr,  nullptr, napi_enumerable, nullptr};
  napi_define_properties(env, exports, 1, &function);
}

}  // namespace dax
