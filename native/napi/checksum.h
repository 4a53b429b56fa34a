// Owns the native function of checksums.
#ifndef NODE_DAX_NATIVE_CHECKSUM_H_
#define NODE_DAX_NATIVE_CHECKSUM_H_

#include <napi.h>

namespace dax {

// Adds crc32c to the exports.
void InitChecksum(Napi::Env env, Napi::Object exports);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_CHECKSUM_H_
