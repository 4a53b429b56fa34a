#include "napi/device/dax_device.h"

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "device/mapping.h"
#include "device/source.h"
#include "device/statx.h"
#include "napi/args.h"
#include "napi/device/device_handle.h"
#include "napi/leased_memory.h"
#include "persist/persist.h"
#include "sigbus/fault_signals.h"

namespace dax {
namespace {

// read(handle, target, pos, offset?, length?) -> bytes | -errno
napi_value Read(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t offset, length, pos;
  char* memory;
  if (!GetDevice(args, &device) || !args.Bytes(2, &pos) || !args.Part(3, &offset, &length) ||
      !args.Memory(1, offset, &length, &memory)) {
    return nullptr;
  }
  if (const int error = ClipToDevice(*device, pos, &length)) return ToResult(env, error);
  return ToResult(env, length == 0 ? 0 : device->mapping->Read(memory, length, pos));
}

// Writes zeros if `memory` is null.
napi_value WriteNow(napi_env env, const DaxDevice& device, const char* memory, uint64_t length, uint64_t pos,
                    bool flush) {
  if (const int error = ClipToDevice(device, pos, &length)) return ToResult(env, error);
  if (const int error = CheckWritable(device)) return ToResult(env, error);
  return ToResult(env, length == 0 ? 0 : device.mapping->Write(memory, length, pos, flush));
}

// write(handle, source, pos, flush, offset?, length?) -> bytes | -errno
napi_value Write(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t offset, length, pos;
  bool flush;
  char* memory;
  if (!GetDevice(args, &device) || !args.Bytes(2, &pos) || !args.Bool(3, &flush) ||
      !args.Part(4, &offset, &length) || !args.Memory(1, offset, &length, &memory)) {
    return nullptr;
  }
  return WriteNow(env, *device, memory, length, pos, flush);
}

// zero(handle, pos, length, flush) -> bytes | -errno
napi_value Zero(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t pos, length;
  bool flush;
  if (!GetDevice(args, &device) || !args.Bytes(1, &pos) || !args.Bytes(2, &length) || !args.Bool(3, &flush))
    return nullptr;
  return WriteNow(env, *device, nullptr, length, pos, flush);
}

// storeU64(handle, pos, word, flush) -> 0 | -errno
napi_value StoreU64(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t pos, word;
  bool flush;
  if (!GetDevice(args, &device) || !args.Bytes(1, &pos) || !args.Word(2, &word) || !args.Bool(3, &flush))
    return nullptr;
  if (const int error = CheckRange(*device, pos, sizeof word)) return ToResult(env, error);
  if (const int error = CheckWritable(*device)) return ToResult(env, error);
  return ToResult(env, device->mapping->StoreWord(pos, word, flush));
}

// loadU64(handle, pos) -> bigint | -errno
napi_value LoadU64(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t pos, word;
  if (!GetDevice(args, &device) || !args.Bytes(1, &pos)) return nullptr;
  if (const int error = CheckRange(*device, pos, sizeof word)) return ToResult(env, error);
  if (const int error = device->mapping->LoadWord(pos, &word)) return ToResult(env, error);
  napi_value result = nullptr;
  napi_create_bigint_uint64(env, word, &result);
  return result;
}

// A read or write on a thread of libuv's pool. It uses plain Node-API: the copies of a worker that is
// terminated still complete, in an environment that refuses every call, and that must not be fatal.
struct CopyWork {
  bool write;
  bool flush;
  char* memory;
  uint64_t length;
  uint64_t pos;
  std::shared_ptr<Mapping> mapping;
  int64_t moved;
  napi_deferred deferred;
  napi_ref buffer;  // keeps `memory` while the pool uses it
  napi_async_work work;
};

// Runs on a pool thread, where no environment may be used.
void ExecuteCopy(napi_env, void* data) {
  auto* copy = static_cast<CopyWork*>(data);
  copy->moved = copy->write ? copy->mapping->Write(copy->memory, copy->length, copy->pos, copy->flush)
                            : copy->mapping->Read(copy->memory, copy->length, copy->pos);
}

void CompleteCopy(napi_env env, napi_status, void* data) {
  const std::unique_ptr<CopyWork> copy(static_cast<CopyWork*>(data));
  napi_value moved = nullptr;
  if (napi_create_int64(env, copy->moved, &moved) == napi_ok)
    napi_resolve_deferred(env, copy->deferred, moved);
  napi_delete_reference(env, copy->buffer);
  napi_delete_async_work(env, copy->work);
}

// copyAsync(handle, buffer, offset, length, pos, flush, write) -> Promise<bytes | -errno>, or bytes | -errno
// if it did not start
napi_value CopyAsync(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  auto copy = std::make_unique<CopyWork>();
  uint64_t offset;
  if (!GetDevice(args, &device) || !args.Bytes(2, &offset) || !args.Bytes(3, &copy->length) ||
      !args.Bytes(4, &copy->pos) || !args.Bool(5, &copy->flush) || !args.Bool(6, &copy->write) ||
      !args.Memory(1, offset, &copy->length, &copy->memory)) {
    return nullptr;
  }
  if (const int error = ClipToDevice(*device, copy->pos, &copy->length)) return ToResult(env, error);
  if (copy->write) {
    if (const int error = CheckWritable(*device)) return ToResult(env, error);
  }
  copy->mapping = device->mapping;
  if (copy->length == 0) return ToResult(env, 0);
  napi_value name, promise;
  if (napi_create_string_utf8(env, "node-dax:copy", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_reference(env, args[1], 1, &copy->buffer) != napi_ok ||
      napi_create_promise(env, &copy->deferred, &promise) != napi_ok ||
      napi_create_async_work(env, nullptr, name, ExecuteCopy, CompleteCopy, copy.get(), &copy->work) !=
          napi_ok ||
      napi_queue_async_work(env, copy->work) != napi_ok) {
    return nullptr;  // the environment is going away, and all of this with it
  }
  copy.release();
  return promise;
}

// flush(handle, pos, length) -> 0 | -errno
napi_value Flush(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t pos, length;
  if (!GetDevice(args, &device) || !args.Bytes(1, &pos) || !args.Bytes(2, &length)) return nullptr;
  if (const int error = CheckRange(*device, pos, length)) return ToResult(env, error);
  return ToResult(env, length == 0 ? 0 : device->mapping->Flush(pos, length));
}

// invalidate(handle, pos, length) -> 0 | -errno
napi_value Invalidate(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t pos, length;
  if (!GetDevice(args, &device) || !args.Bytes(1, &pos) || !args.Bytes(2, &length)) return nullptr;
  if (const int error = CheckRange(*device, pos, length)) return ToResult(env, error);
  return ToResult(env, length == 0 ? 0 : device->mapping->Invalidate(pos, length));
}

// intact(handle, pos, length) -> bytes before the first page that was lost | -errno
napi_value Intact(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t pos, length;
  if (!GetDevice(args, &device) || !args.Bytes(1, &pos) || !args.Bytes(2, &length)) return nullptr;
  if (const int error = CheckRange(*device, pos, length)) return ToResult(env, error);
  const uint64_t intact = length == 0 ? 0 : device->mapping->Intact(pos, length);
  return ToResult(env, static_cast<int64_t>(intact));
}

// drain(handle) -> 0 | -errno
napi_value Drain(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  if (!GetDevice(args, &device)) return nullptr;
  if (!device->source) return ToResult(env, -EBADF);
  if (device->mapping) device->mapping->Drain();
  return ToResult(env, 0);
}

// deepFlush(handle) -> 0 | -errno
napi_value DeepFlush(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  if (!GetDevice(args, &device)) return nullptr;
  return ToResult(env, device->source ? device->source->DeepFlush() : -EBADF);
}

// resize(handle, size) -> 0 | -errno. The old mapping lives on under the ArrayBuffers made of it.
napi_value Resize(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t size;
  if (!GetDevice(args, &device) || !args.Bytes(1, &size)) return nullptr;
  if (!device->source) return ToResult(env, -EBADF);
  // A device with lost pages is not resized, because a new mapping would forget which pages were lost.
  if (device->mapping && device->mapping->any_lost()) return ToResult(env, -EIO);
  const uint64_t old_size = device->mapping ? device->mapping->length() : 0;
  if (const int error = device->source->Truncate(size)) return ToResult(env, error);
  std::shared_ptr<Mapping> mapping;
  if (size != 0) {
    if (const int error = Mapping::CreateShared(device->source, device->forced, &mapping)) {
      if (size > old_size) device->source->Truncate(old_size);
      return ToResult(env, error);
    }
  }
  device->mapping = std::move(mapping);
  device->view_mapping.reset();
  return ToResult(env, 0);
}

// seek(handle, pos, data) -> position | -errno
napi_value Seek(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t pos;
  bool data;
  if (!GetDevice(args, &device) || !args.Bytes(1, &pos) || !args.Bool(2, &data)) return nullptr;
  return ToResult(env, device->source ? device->source->Seek(pos, data) : -EBADF);
}

// descriptor(handle) -> file descriptor | -EBADF
napi_value Descriptor(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  if (!GetDevice(args, &device)) return nullptr;
  return ToResult(env, device->source ? device->source->fd() : -EBADF);
}

bool GetLockMode(const Args& args, LockMode* mode) {
  uint64_t value;
  if (!args.Bytes(1, &value)) return false;
  *mode = value == 0 ? LockMode::kNone : value == 1 ? LockMode::kShared : LockMode::kExclusive;
  return true;
}

// flock(handle, mode) -> 0 | -errno
napi_value Flock(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  LockMode mode;
  if (!GetDevice(args, &device) || !GetLockMode(args, &mode)) return nullptr;
  return ToResult(env, device->source ? device->source->Flock(mode) : -EBADF);
}

// lockRange(handle, mode, start, length) -> 0 | -errno
napi_value LockRange(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  LockMode mode;
  uint64_t start, length;
  if (!GetDevice(args, &device) || !GetLockMode(args, &mode) || !args.Bytes(2, &start) ||
      !args.Bytes(3, &length)) {
    return nullptr;
  }
  return ToResult(env, device->source ? device->source->LockRange(mode, start, length) : -EBADF);
}

// claim(handle, isClaimed) -> 0 | -errno
napi_value Claim(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  bool is_claimed;
  if (!GetDevice(args, &device) || !args.Bool(1, &is_claimed)) return nullptr;
  return ToResult(env, device->source ? device->source->Claim(is_claimed) : -EBADF);
}

// physicalAddress(handle, pos) -> bytes | undefined
napi_value PhysicalAddress(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t pos;
  if (!GetDevice(args, &device) || !args.Bytes(1, &pos)) return nullptr;
  if (!device->source) return nullptr;
  const std::optional<uint64_t> address = device->source->PhysicalAddress(pos);
  return address ? ToResult(env, static_cast<int64_t>(*address)) : nullptr;
}

// segment(handle, pos, length) -> ArrayBuffer | -errno
napi_value Segment(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t pos, length;
  if (!GetDevice(args, &device) || !args.Bytes(1, &pos) || !args.Bytes(2, &length)) return nullptr;
  if (const int error = CheckRange(*device, pos, length)) return ToResult(env, error);
  if (!device->mapping) return ToResult(env, -EINVAL);
  std::shared_ptr<Mapping> mapping = device->mapping;
  if (device->source->read_only()) {
    if (!device->view_mapping) {
      if (const int error = Mapping::CreatePrivate(device->source, &device->view_mapping))
        return ToResult(env, error);
    }
    mapping = device->view_mapping;
    if (pos + length > mapping->length()) return ToResult(env, -EIO);
  }
  device->mappings.push_back(mapping);
  char* const address = mapping->address() + pos;
  return LeaseMemory(env, address, length, std::move(mapping));
}

// detach(arrayBuffer): every view of it has length 0 from now on.
napi_value Detach(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  napi_detach_arraybuffer(env, args[0]);
  return nullptr;
}

// close(handle): idempotent. The device is given back at once; its addresses stay taken until the last
// ArrayBuffer is collected.
napi_value Close(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  if (!GetDevice(args, &device)) return nullptr;
  for (const std::weak_ptr<Mapping>& mapping : device->mappings) {
    if (const std::shared_ptr<Mapping> alive = mapping.lock()) alive->Retire();
  }
  device->mappings.clear();
  device->view_mapping.reset();
  device->mapping.reset();
  device->backing.reset();
  device->source.reset();
  return nullptr;
}

// guard(): puts the signal handlers in front of those that were installed since.
napi_value GuardAgain(napi_env, napi_callback_info) {
  InstallSignalHandlers();
  return nullptr;
}

// cpu() -> { flushInstruction, streamThreshold }
Napi::Value Cpu(const Napi::CallbackInfo& info) {
  const CpuOps& cpu = DetectCpu();
  Napi::Object result = Napi::Object::New(info.Env());
  result["flushInstruction"] = Napi::String::New(info.Env(), cpu.flush_instruction);
  if (cpu.stream != nullptr) {
    result["streamThreshold"] = Napi::Number::New(info.Env(), static_cast<double>(cpu.stream_threshold));
  }
  return result;
}

// directIoAlignment(path) -> { memory, offset } | -errno
Napi::Value DirectIo(const Napi::CallbackInfo& info) {
  DirectIoAlignment alignment;
  const std::string path = info[0].As<Napi::String>().Utf8Value();
  if (const int error = ReadDirectIoAlignment(path.c_str(), &alignment))
    return Napi::Number::New(info.Env(), error);
  Napi::Object result = Napi::Object::New(info.Env());
  result["memory"] = Napi::Number::New(info.Env(), alignment.memory);
  result["offset"] = Napi::Number::New(info.Env(), alignment.offset);
  return result;
}

// misalignment(buffer, alignment) -> the address of its memory modulo `alignment`
napi_value Misalignment(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t alignment, length = 1;
  char* memory;
  if (!args.Bytes(1, &alignment) || !args.Memory(0, 0, &length, &memory)) return nullptr;
  return ToResult(env, static_cast<int64_t>(reinterpret_cast<uintptr_t>(memory) % alignment));
}

}  // namespace

void InitDaxDevice(Napi::Env env, Napi::Object exports) {
  exports["cpu"] = Napi::Function::New(env, Cpu, "cpu");
  exports["directIoAlignment"] = Napi::Function::New(env, DirectIo, "directIoAlignment");
  const napi_property_descriptor functions[] = {
      {"guard", nullptr, GuardAgain, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"read", nullptr, Read, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"write", nullptr, Write, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"zero", nullptr, Zero, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"storeU64", nullptr, StoreU64, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"loadU64", nullptr, LoadU64, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"copyAsync", nullptr, CopyAsync, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"flush", nullptr, Flush, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"invalidate", nullptr, Invalidate, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"intact", nullptr, Intact, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"drain", nullptr, Drain, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"deepFlush", nullptr, DeepFlush, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"resize", nullptr, Resize, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"seek", nullptr, Seek, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"descriptor", nullptr, Descriptor, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"flock", nullptr, Flock, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"lockRange", nullptr, LockRange, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"claim", nullptr, Claim, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"physicalAddress", nullptr, PhysicalAddress, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"segment", nullptr, Segment, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"misalignment", nullptr, Misalignment, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"detach", nullptr, Detach, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"close", nullptr, Close, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}

}  // namespace dax
