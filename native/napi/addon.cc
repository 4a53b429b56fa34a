// Owns the addon's initialisation, which adds all native functions to its exports.

#include <napi.h>

#include <mutex>

#include "napi/checksum.h"
#include "napi/device/dax_device.h"
#include "napi/device/open_device.h"
#include "napi/device/record_publisher.h"
#include "napi/fault/fault_functions.h"
#include "napi/files/descriptor.h"
#include "napi/files/small_files.h"
#include "sigbus/guarded_copy.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  static std::once_flag once;
  std::call_once(once, dax::InitializeGuards);
  dax::InitOpenDevice(env, exports);
  dax::InitDaxDevice(env, exports);
  dax::InitChecksum(env, exports);
  dax::InitRecordPublisher(env, exports);
  dax::InitDescriptor(env, exports);
  dax::InitSmallFiles(env, exports);
  dax::InitFaultFunctions(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(node_dax, Init)
