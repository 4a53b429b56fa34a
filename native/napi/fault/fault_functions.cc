#include "napi/fault/fault_functions.h"

#include <cerrno>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "fault/fault_file.h"
#include "fault/fault_service.h"
#include "napi/args.h"
#include "napi/device/device_handle.h"
#include "napi/fault/isolate_client.h"
#include "napi/leased_memory.h"

namespace dax {
namespace {

constexpr const char* kModeNames[] = {"full", "user", "none"};

// The files by id. Other isolates find a file by its id.
class FileDirectory {
 public:
  void Add(const std::shared_ptr<FaultFile>& file) {
    const std::lock_guard<std::mutex> lock(mutex_);
    files_[file->id()] = file;
  }
  void Remove(uint64_t id) {
    const std::lock_guard<std::mutex> lock(mutex_);
    files_.erase(id);
  }
  std::shared_ptr<FaultFile> Find(uint64_t id) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = files_.find(id);
    return found == files_.end() ? nullptr : found->second.lock();
  }

 private:
  std::mutex mutex_;
  std::map<uint64_t, std::weak_ptr<FaultFile>> files_;
};

FileDirectory& Directory() {
  static FileDirectory* const instance = new FileDirectory();
  return *instance;
}

struct FileHandle {
  std::shared_ptr<FaultFile> file;
  ~FileHandle() {
    Directory().Remove(file->id());
    file->Abandon();
  }
};

struct RegionHandle {
  std::shared_ptr<FaultFile> file;
  std::shared_ptr<FaultRegion> region;
};

// Returns null with a TypeError pending.
std::shared_ptr<FaultFile> GetFile(const Args& args, size_t index = 0) {
  FileHandle* handle;
  return args.External(index, reinterpret_cast<void**>(&handle)) ? handle->file : nullptr;
}

RegionHandle* GetRegion(const Args& args) {
  RegionHandle* handle;
  return args.External(0, reinterpret_cast<void**>(&handle)) ? handle : nullptr;
}

bool GetPages(const Args& args, size_t index, PageRange* pages) {
  return args.Bytes(index, &pages->first) && args.Bytes(index + 1, &pages->count);
}

template <typename Handle>
napi_value MakeExternal(napi_env env, Handle* handle) {
  napi_value external = nullptr;
  const napi_finalize release = [](napi_env, void* data, void*) { delete static_cast<Handle*>(data); };
  if (napi_create_external(env, handle, release, nullptr, &external) != napi_ok) delete handle;
  return external;
}

napi_value Number(napi_env env, uint64_t value) {
  return ToResult(env, static_cast<int64_t>(value));
}

std::shared_ptr<IsolateClient> ThisClient(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return data == nullptr ? nullptr : *static_cast<std::shared_ptr<IsolateClient>*>(data);
}

// faultConnect(callback, threadId) -> 'full' | 'user' | 'none'. Call it once in each isolate, before every
// other function here.
napi_value Connect(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t worker;
  if (!args.Bytes(1, &worker)) return nullptr;
  std::shared_ptr<IsolateClient> client = IsolateClient::Connect(env, args[0], static_cast<uint32_t>(worker));
  if (!client) return nullptr;
  const napi_finalize release = [](napi_env, void* data, void*) {
    delete static_cast<std::shared_ptr<IsolateClient>*>(data);
  };
  napi_set_instance_data(env, new std::shared_ptr<IsolateClient>(std::move(client)), release, nullptr);
  FaultService::Get();
  napi_value mode = nullptr;
  const char* const name = kModeNames[static_cast<int>(Userfault::Get().mode())];
  napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &mode);
  return mode;
}

// faultLeave()
napi_value Leave(napi_env env, napi_callback_info) {
  if (const std::shared_ptr<IsolateClient> client = ThisClient(env)) client->Leave();
  return nullptr;
}

// faultFile(unit, size) -> { file, id }
napi_value MakeFile(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t unit, size;
  if (!args.Bytes(0, &unit) || !args.Bytes(1, &size)) return nullptr;
  const std::shared_ptr<IsolateClient> client = ThisClient(env);
  const std::shared_ptr<FaultFile> file = FaultFile::Create(client, unit, size);
  client->Own(file);
  Directory().Add(file);
  napi_value result = nullptr;
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "file", MakeExternal(env, new FileHandle{file}));
  napi_set_named_property(env, result, "id", Number(env, file->id()));
  return result;
}

// faultSetSize(file, size)
napi_value SetSize(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t size;
  const std::shared_ptr<FaultFile> file = GetFile(args);
  if (file && args.Bytes(1, &size)) file->SetSize(size);
  return nullptr;
}

// (file, first, count, device, pos, readOnly) -> the result of `ask` for the file, the pages and their place
// | -errno
template <typename Ask>
napi_value AtPlace(napi_env env, napi_callback_info info, Ask ask) {
  const Args args(env, info);
  PageRange pages;
  uint64_t position;
  int error;
  const std::shared_ptr<FaultFile> file = GetFile(args);
  bool read_only;
  if (!file || !GetPages(args, 1, &pages) || !args.Bytes(4, &position) || !args.Bool(5, &read_only))
    return nullptr;
  std::shared_ptr<const Backing> backing = GetBacking(args, 3, &error);
  if (!backing) return error == 0 ? nullptr : ToResult(env, error);
  if (position % file->unit() != 0) return ToResult(env, -EINVAL);
  return ToResult(env, ask(*file, pages, Place{std::move(backing), position / file->unit(), read_only}));
}

// faultKnow(file, first, count, device, pos, readOnly) -> 0 | -errno
napi_value Know(napi_env env, napi_callback_info info) {
  const auto know = [](FaultFile& file, PageRange pages, const Place& place) {
    return file.Know(pages, place);
  };
  return AtPlace(env, info, know);
}

// faultCompare(file, first, count, device, pos, readOnly) -> FaultFile::Known | -errno
napi_value Compare(napi_env env, napi_callback_info info) {
  const auto compare = [](FaultFile& file, PageRange pages, const Place& place) {
    return static_cast<int>(file.Compare(pages, place));
  };
  return AtPlace(env, info, compare);
}

// (file, first, count) -> the result of `act` for the file and the pages
template <typename Act>
napi_value OnPages(napi_env env, napi_callback_info info, Act act) {
  const Args args(env, info);
  PageRange pages;
  const std::shared_ptr<FaultFile> file = GetFile(args);
  return file && GetPages(args, 1, &pages) ? act(*file, pages) : nullptr;
}

// faultKnowHole(file, first, count) -> 0 | -errno
napi_value KnowHole(napi_env env, napi_callback_info info) {
  return OnPages(env, info,
                 [env](FaultFile& file, PageRange pages) { return ToResult(env, file.Know(pages, {})); });
}

// faultIsStored(file, first, count) -> boolean
napi_value IsStored(napi_env env, napi_callback_info info) {
  return OnPages(env, info, [env](FaultFile& file, PageRange pages) {
    napi_value result = nullptr;
    napi_get_boolean(env, file.IsStored(pages), &result);
    return result;
  });
}

// faultTakeStored(file, first, count) -> [first, count, first, count, …]
napi_value TakeStored(napi_env env, napi_callback_info info) {
  return OnPages(env, info, [env](FaultFile& file, PageRange pages) {
    const std::vector<PageRange> runs = file.TakeStored(pages);
    napi_value result = nullptr;
    napi_create_array_with_length(env, 2 * runs.size(), &result);
    uint32_t index = 0;
    for (const PageRange& run : runs) {
      napi_set_element(env, result, index++, Number(env, run.first));
      napi_set_element(env, result, index++, Number(env, run.count));
    }
    return result;
  });
}

// faultSetDurable(file, first, count)
napi_value SetDurable(napi_env env, napi_callback_info info) {
  return OnPages(env, info, [](FaultFile& file, PageRange pages) {
    file.SetDurable(pages);
    return napi_value(nullptr);
  });
}

// faultTakeOver(file, ended)
napi_value TakeOver(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const std::shared_ptr<FaultFile> file = GetFile(args);
  const std::shared_ptr<FaultFile> ended = GetFile(args, 1);
  if (file && ended) file->TakeOver(*ended);
  return nullptr;
}

// faultForget(file, first, count)
napi_value Forget(napi_env env, napi_callback_info info) {
  return OnPages(env, info, [](FaultFile& file, PageRange pages) {
    file.Forget(pages);
    return napi_value(nullptr);
  });
}

// faultAnswer(file, region, page, isMajor, errno): the errno positive, or 0
napi_value Answer(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t region, page, error;
  bool major;
  const std::shared_ptr<FaultFile> file = GetFile(args);
  if (file && args.Bytes(1, &region) && args.Bytes(2, &page) && args.Bool(3, &major) &&
      args.Bytes(4, &error)) {
    file->Answer(region, page, major, -static_cast<int>(error));
  }
  return nullptr;
}

// faultAnswerCopy(file, region, page, bytes)
napi_value AnswerCopy(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t region, page, length = UINT64_MAX;
  char* bytes;
  const std::shared_ptr<FaultFile> file = GetFile(args);
  if (file && args.Bytes(1, &region) && args.Bytes(2, &page) && args.Memory(3, 0, &length, &bytes) &&
      length >= file->unit()) {
    file->AnswerCopy(region, page, bytes);
  }
  return nullptr;
}

// faultForgive(file)
napi_value Forgive(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  const std::shared_ptr<FaultFile> file = GetFile(args);
  if (file) file->Forgive();
  return nullptr;
}

// faultSetWanted(file, wanted) -> false if the file has ended
napi_value SetWanted(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  bool wanted;
  const std::shared_ptr<FaultFile> file = GetFile(args);
  napi_value result = nullptr;
  if (file && args.Bool(1, &wanted)) napi_get_boolean(env, file->SetWanted(wanted), &result);
  return result;
}

// faultFreeze(file, frozen)
napi_value Freeze(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  bool frozen;
  const std::shared_ptr<FaultFile> file = GetFile(args);
  if (file && args.Bool(1, &frozen)) file->SetFrozen(frozen);
  return nullptr;
}

// regionOpen(fileId, first, count, writable, shared, kill, phase) -> { region, id } | -errno
napi_value OpenRegion(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t file_id, phase;
  RegionShape shape = {};
  if (!args.Bytes(0, &file_id) || !GetPages(args, 1, &shape.pages) || !args.Bool(3, &shape.writable) ||
      !args.Bool(4, &shape.shared) || !args.Bool(5, &shape.kill) || !args.Bytes(6, &phase)) {
    return nullptr;
  }
  auto handle = std::make_unique<RegionHandle>();
  handle->file = Directory().Find(file_id);
  if (!handle->file) return ToResult(env, -ESTALE);
  shape.unit = handle->file->unit();
  shape.phase = phase;
  const int error = FaultService::Get().Open(handle->file, shape, ThisClient(env), &handle->region);
  if (error != 0) return ToResult(env, error);
  napi_value result = nullptr;
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "id", Number(env, handle->region->id()));
  napi_set_named_property(env, result, "region", MakeExternal(env, handle.release()));
  return result;
}

// regionInstall(region, first, count) -> 0 | -errno
napi_value InstallRegion(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  PageRange pages;
  RegionHandle* const handle = GetRegion(args);
  if (handle == nullptr || !GetPages(args, 1, &pages)) return nullptr;
  return ToResult(env, handle->file->Install(*handle->region, pages));
}

// regionBuffer(region, length) -> ArrayBuffer | -errno
napi_value RegionBuffer(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t length;
  RegionHandle* const handle = GetRegion(args);
  if (handle == nullptr || !args.Bytes(1, &length)) return nullptr;
  if (length > handle->region->length()) return ToResult(env, -EINVAL);
  return LeaseMemory(env, handle->region->address(), length, handle->region);
}

// regionPersist(region, offset, length) -> 0 | -errno
napi_value PersistRegion(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t offset, length;
  RegionHandle* const handle = GetRegion(args);
  if (handle == nullptr || !args.Bytes(1, &offset) || !args.Bytes(2, &length)) return nullptr;
  return ToResult(env, handle->file->Persist(*handle->region, offset, length));
}

// regionFlush(region, offset, length) -> 0 | -errno
napi_value FlushRegion(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t offset, length;
  RegionHandle* const handle = GetRegion(args);
  if (handle == nullptr || !args.Bytes(1, &offset) || !args.Bytes(2, &length)) return nullptr;
  return ToResult(env, handle->file->Flush(*handle->region, offset, length));
}

// regionDrain(): waits for what this thread has flushed of any region
napi_value DrainRegions(napi_env /*env*/, napi_callback_info /*info*/) {
  FaultFile::Drain();
  return nullptr;
}

// regionIntact(region, offset, length) -> bytes before the first page that was lost
napi_value IntactRegion(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t offset, length;
  RegionHandle* const handle = GetRegion(args);
  if (handle == nullptr || !args.Bytes(1, &offset) || !args.Bytes(2, &length)) return nullptr;
  return Number(env, handle->region->Intact(offset, length));
}

// regionPrefault(region, length) -> bytes before the first page that cannot be touched
napi_value PrefaultRegion(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t length;
  RegionHandle* const handle = GetRegion(args);
  if (handle == nullptr || !args.Bytes(1, &length)) return nullptr;
  return ToResult(env, handle->region->Prefault(length));
}

// regionInfo(region) -> { start, end, minor, major, asked, hole, mkwrite, refused, nanoseconds }: addresses
// as hex
napi_value RegionInfo(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  RegionHandle* const handle = GetRegion(args);
  if (handle == nullptr) return nullptr;
  FaultRegion& region = *handle->region;
  FaultStats& stats = region.stats();
  napi_value result = nullptr, histogram = nullptr;
  napi_create_object(env, &result);
  const auto start = reinterpret_cast<uintptr_t>(region.address());
  const std::pair<const char*, uint64_t> values[] = {
      {"start", start},           {"end", start + region.length()}, {"minor", stats.minor},
      {"major", stats.major},     {"asked", stats.asked},           {"hole", stats.hole},
      {"mkwrite", stats.mkwrite}, {"refused", stats.refused},
  };
  for (const auto& [name, value] : values) napi_set_named_property(env, result, name, Number(env, value));
  napi_create_array_with_length(env, stats.nanoseconds.size(), &histogram);
  for (uint32_t i = 0; i < stats.nanoseconds.size(); i++) {
    napi_set_element(env, histogram, i, Number(env, stats.nanoseconds[i]));
  }
  napi_set_named_property(env, result, "nanoseconds", histogram);
  return result;
}

// regionClose(region): idempotent. Its addresses stay taken until the last ArrayBuffer goes.
napi_value CloseRegion(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  RegionHandle* const handle = GetRegion(args);
  if (handle != nullptr) handle->file->Close(handle->region);
  return nullptr;
}

}  // namespace

void InitFaultFunctions(Napi::Env env, Napi::Object exports) {
  const std::pair<const char*, napi_callback> functions[] = {
      {"faultConnect", Connect},
      {"faultLeave", Leave},
      {"faultFile", MakeFile},
      {"faultSetSize", SetSize},
      {"faultKnow", Know},
      {"faultKnowHole", KnowHole},
      {"faultCompare", Compare},
      {"faultIsStored", IsStored},
      {"faultTakeStored", TakeStored},
      {"faultSetDurable", SetDurable},
      {"faultTakeOver", TakeOver},
      {"faultForget", Forget},
      {"faultAnswer", Answer},
      {"faultAnswerCopy", AnswerCopy},
      {"faultForgive", Forgive},
      {"faultSetWanted", SetWanted},
      {"faultFreeze", Freeze},
      {"regionOpen", OpenRegion},
      {"regionInstall", InstallRegion},
      {"regionBuffer", RegionBuffer},
      {"regionPersist", PersistRegion},
      {"regionFlush", FlushRegion},
      {"regionDrain", DrainRegions},
      {"regionIntact", IntactRegion},
      {"regionPrefault", PrefaultRegion},
      {"regionInfo", RegionInfo},
      {"regionClose", CloseRegion},
  };
  for (const auto& [name, function] : functions) {
    napi_value value = nullptr;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  }
}

}  // namespace dax
