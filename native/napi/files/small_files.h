// Owns the native function that reads the small files of a directory, many in one call.
#ifndef NODE_DAX_NATIVE_SMALL_FILES_H_
#define NODE_DAX_NATIVE_SMALL_FILES_H_

#include <napi.h>

namespace dax {

// Adds readSmallFiles to the exports.
void InitSmallFiles(Napi::Env env, Napi::Object exports);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_SMALL_FILES_H_
