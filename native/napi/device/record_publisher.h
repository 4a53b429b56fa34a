// Owns the native functions of record publishers: records with their checksums, and the word that publishes
// them, in one call.
#ifndef NODE_DAX_NATIVE_RECORD_PUBLISHER_H_
#define NODE_DAX_NATIVE_RECORD_PUBLISHER_H_

#include <napi.h>

namespace dax {

// Adds recordPublisher, publishRecord and publishRecords to the exports.
void InitRecordPublisher(Napi::Env env, Napi::Object exports);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_RECORD_PUBLISHER_H_
