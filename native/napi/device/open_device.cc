#include "napi/device/open_device.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "device/mapping.h"
#include "device/source.h"
#include "napi/device/device_handle.h"
#include "persist/persist.h"
#include "sigbus/fault_signals.h"

namespace dax {
namespace {

constexpr const char* kKindNames[] = {"devdax", "fsdax", "file", "block"};
constexpr const char* kGranularityNames[] = {"byte", "cache_line", "page"};

// What is to be opened, and then the device.
struct Opening {
  std::string path;
  SourceOptions options;
  std::unique_ptr<DaxDevice> device;
  int error = 0;
  // Of openAsync.
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
};

Napi::Object Describe(Napi::Env env, const DaxDevice& device) {
  const Source& source = *device.source;
  const Mapping* mapping = device.mapping.get();
  Napi::Object facts = Napi::Object::New(env);
  // Kernels before 5.8 do not report that a file is DAX, but they grant MAP_SYNC only to DAX files.
  const bool fsdax = source.kind() == Kind::kFile && mapping != nullptr && mapping->map_sync();
  facts["kind"] = Napi::String::New(env, kKindNames[static_cast<int>(fsdax ? Kind::kFsdax : source.kind())]);
  facts["created"] = Napi::Boolean::New(env, source.created());
  facts["filled"] = Napi::Boolean::New(env, source.filled());
  facts["size"] = Napi::Number::New(env, mapping == nullptr ? 0 : static_cast<double>(mapping->length()));
  facts["alignment"] = Napi::Number::New(env, static_cast<double>(source.alignment()));
  const Granularity granularity = mapping == nullptr ? Granularity::kPage : mapping->granularity();
  facts["granularity"] = Napi::String::New(env, kGranularityNames[static_cast<int>(granularity)]);
  facts["mapSync"] = Napi::Boolean::New(env, mapping != nullptr && mapping->map_sync());
  facts["statxDax"] = Napi::Boolean::New(env, source.statx_dax());
  facts["numaNode"] = Napi::Number::New(env, source.numa_node());
  facts["persistenceDomain"] = Napi::String::New(env, source.persistence_domain());
  if (source.resource()) facts["resource"] = Napi::Number::New(env, static_cast<double>(*source.resource()));
  return facts;
}

std::unique_ptr<Opening> ToOpening(const Napi::CallbackInfo& info) {
  auto opening = std::make_unique<Opening>();
  opening->path = info[0].As<Napi::String>().Utf8Value();
  SourceOptions& options = opening->options;
  options.read_only = info[1].As<Napi::Boolean>().Value();
  if (info[2].IsNumber())
    options.create_size = static_cast<uint64_t>(info[2].As<Napi::Number>().DoubleValue());
  options.lock = info[4].As<Napi::Boolean>().Value();
  options.claim = info[5].As<Napi::Boolean>().Value();
  options.by_call = info[6].As<Napi::Boolean>().Value();
  opening->device = std::make_unique<DaxDevice>();
  if (info[3].IsString()) {
    const std::string name = info[3].As<Napi::String>().Utf8Value();
    for (int i = 0; i < 3; i++) {
      if (name == kGranularityNames[i]) opening->device->forced = static_cast<Granularity>(i);
    }
  }
  return opening;
}

// Opens and maps the device. Returns 0, or -errno with nothing changed.
int OpenAndMap(const std::string& path, const SourceOptions& options, DaxDevice* device) {
  if (const int error = Source::Open(path.c_str(), options, &device->source)) return error;
  uint64_t size = 0;
  int error = device->source->Size(&size);
  if (error == 0 && size != 0)
    error = Mapping::CreateShared(device->source, device->forced, &device->mapping);
  if (error != 0) device->source->Undo(path.c_str());
  return error;
}

// The answer of open: the handle, which owns the device, and the facts; or -errno.
Napi::Value ToAnswer(Napi::Env env, Opening* opening) {
  if (opening->error != 0) return Napi::Number::New(env, opening->error);
  Napi::Object result = Describe(env, *opening->device);
  result["handle"] = Napi::External<DaxDevice>::New(env, opening->device.release(),
                                                    [](Napi::Env, DaxDevice* dead) { delete dead; });
  return result;
}

// open(path, readOnly, createSize | undefined, granularity | undefined, lock, claim, byCall)
// -> { handle, ...facts } | -errno
Napi::Value Open(const Napi::CallbackInfo& info) {
  InstallSignalHandlers();
  const std::unique_ptr<Opening> opening = ToOpening(info);
  opening->error = OpenAndMap(opening->path, opening->options, opening->device.get());
  return ToAnswer(info.Env(), opening.get());
}

// Runs on a pool thread, where no environment may be used.
void ExecuteOpen(napi_env, void* data) {
  auto* opening = static_cast<Opening*>(data);
  opening->error = OpenAndMap(opening->path, opening->options, opening->device.get());
}

// Whether calls may be made in an environment. They may not in the environment of a worker that is being
// terminated: there the wrappers of Node-API would end the process.
bool IsAlive(napi_env env) {
  napi_value object;
  return napi_create_object(env, &object) == napi_ok &&
         napi_set_named_property(env, object, "alive", object) == napi_ok;
}

void CompleteOpen(napi_env env, napi_status, void* data) {
  const std::unique_ptr<Opening> opening(static_cast<Opening*>(data));
  if (IsAlive(env)) {
    napi_resolve_deferred(env, opening->deferred, ToAnswer(env, opening.get()));
  } else if (opening->error == 0) {
    opening->device->source->Undo(opening->path.c_str());
  }
  napi_delete_async_work(env, opening->work);
}

// openAsync: takes the arguments of open, and answers with a promise. It opens on a thread of the pool,
// because it may wait for a lock, and allocates a file.
Napi::Value OpenAsync(const Napi::CallbackInfo& info) {
  InstallSignalHandlers();
  const Napi::Env env = info.Env();
  std::unique_ptr<Opening> opening = ToOpening(info);
  napi_value name, promise;
  if (napi_create_string_utf8(env, "node-dax:open", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_promise(env, &opening->deferred, &promise) != napi_ok ||
      napi_create_async_work(env, nullptr, name, ExecuteOpen, CompleteOpen, opening.get(), &opening->work) !=
          napi_ok ||
      napi_queue_async_work(env, opening->work) != napi_ok) {
    return Napi::Value();  // the environment is going away, and all of this with it
  }
  opening.release();
  return Napi::Value(env, promise);
}

}  // namespace

void InitOpenDevice(Napi::Env env, Napi::Object exports) {
  exports["open"] = Napi::Function::New(env, Open, "open");
  exports["openAsync"] = Napi::Function::New(env, OpenAsync, "openAsync");
}

}  // namespace dax
