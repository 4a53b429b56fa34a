#include "napi/device/record_publisher.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "device/mapping.h"
#include "device/publication.h"
#include "napi/args.h"
#include "napi/device/device_handle.h"

namespace dax {
namespace {

constexpr size_t kChecksum = sizeof(uint32_t);
constexpr size_t kMostHead = 64;
constexpr size_t kBatch = 64 * 1024;
constexpr size_t kMostRecords = 256;
constexpr double kMaxInteger = 9007199254740991.0;

// Where a call finds its numbers: JavaScript stores them in an array, because a number argument above 2^31
// would be an object.
struct Numbers {
  double pos;
  double end;
  double word;
  double size;    // of the records, as the caller counted it
  double stored;  // not 0 if somebody else has stored to the line of `pos` since the last call
};

// The object behind a publisher's handle. The caller keeps the memory of the numbers and of the heads, and
// can detach neither.
struct RecordPublisher {
  std::shared_ptr<Mapping> mapping;
  uint64_t word_pos;
  uint32_t seed;
  size_t head_size;
  size_t unit;
  Numbers* numbers;
  char* heads;
  size_t heads_size;
  LastLine last_line;
  char batch[kBatch];
};

bool IsInteger(double value) {
  return value >= 0 && value <= kMaxInteger;
}

uint64_t ToInteger(double value) {
  return static_cast<uint64_t>(static_cast<int64_t>(value));
}

// Publishes records that take `size` bytes, if the numbers are for them.
int64_t Publish(RecordPublisher* publisher, const Head& head, const Bytes& body, uint64_t size) {
  Numbers& numbers = *publisher->numbers;
  const uint64_t room = publisher->mapping->length();
  if (!IsInteger(numbers.pos) || !IsInteger(numbers.end) || !IsInteger(numbers.word) ||
      numbers.size != static_cast<double>(size) || size > room || ToInteger(numbers.pos) > room - size) {
    return -EINVAL;
  }
  if (numbers.stored != 0) publisher->last_line.end = LastLine::kNone;
  numbers.stored = 0;
  const uint64_t end = std::min(ToInteger(numbers.end), room);
  return publisher->mapping->Publish({head, body, ToInteger(numbers.pos), end, &publisher->last_line},
                                     publisher->word_pos, ToInteger(numbers.word));
}

// recordPublisher(handle, wordPos, seed, headSize, unit, numbers, heads) -> publisher | -errno
napi_value MakePublisher(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t word_pos, seed, head_size, unit, length = UINT64_MAX, heads_size = UINT64_MAX;
  char *numbers, *heads;
  if (!GetDevice(args, &device) || !args.Bytes(1, &word_pos) || !args.Bytes(2, &seed) ||
      !args.Bytes(3, &head_size) || !args.Bytes(4, &unit) || !args.Memory(5, 0, &length, &numbers) ||
      !args.Memory(6, 0, &heads_size, &heads)) {
    return nullptr;
  }
  if (const int error = CheckRange(*device, word_pos, sizeof(uint64_t))) return ToResult(env, error);
  if (const int error = CheckWritable(*device)) return ToResult(env, error);
  if (length != sizeof(Numbers) || head_size < kChecksum || head_size > kMostHead || heads_size < head_size ||
      unit == 0 || unit > kBatch) {
    return ToResult(env, -EINVAL);
  }
  // Without zeros in the batch, which would touch its pages now.
  auto* const publisher = new RecordPublisher;
  publisher->mapping = device->mapping;
  publisher->word_pos = word_pos;
  publisher->seed = static_cast<uint32_t>(seed);
  publisher->head_size = head_size;
  publisher->unit = unit;
  publisher->numbers = reinterpret_cast<Numbers*>(numbers);
  publisher->heads = heads;
  publisher->heads_size = heads_size;
  const napi_finalize release = [](napi_env, void* data, void*) {
    delete static_cast<RecordPublisher*>(data);
  };
  napi_value result = nullptr;
  if (napi_create_external(env, publisher, release, nullptr, &result) != napi_ok) delete publisher;
  return result;
}

// publishRecord(publisher, content) -> bytes | -errno
napi_value PublishRecord(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  RecordPublisher* publisher;
  uint64_t length = UINT64_MAX;
  char* content;
  if (!args.External(0, reinterpret_cast<void**>(&publisher)) || !args.Memory(1, 0, &length, &content))
    return nullptr;
  const Head head = {publisher->heads, publisher->head_size, true, publisher->seed};
  return ToResult(env, Publish(publisher, head, {content, length}, head.length + length));
}

// publishRecords(publisher, ...contents) -> bytes | -errno
//
// The contents are arguments, because reading an element of an array takes longer than everything else that a
// record of 128 bytes needs here.
napi_value PublishRecords(napi_env env, napi_callback_info info) {
  napi_value args[1 + kMostRecords];
  size_t count = 1 + kMostRecords;
  void* external;
  if (napi_get_cb_info(env, info, &count, args, nullptr, nullptr) != napi_ok) return nullptr;
  if (count == 0 || napi_get_value_external(env, args[0], &external) != napi_ok) {
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "argument 0 must be a publisher");
    return nullptr;
  }
  auto* const publisher = static_cast<RecordPublisher*>(external);
  const size_t head_size = publisher->head_size;
  if (count > 1 + kMostRecords || (count - 1) * head_size > publisher->heads_size)
    return ToResult(env, -EINVAL);
  size_t done = 0;
  char* head = publisher->heads;
  for (size_t index = 1; index < count; index++, head += head_size) {
    void* bytes;
    size_t length;
    if (napi_get_buffer_info(env, args[index], &bytes, &length) != napi_ok) {
      napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "a record must be a Buffer, TypedArray or DataView");
      return nullptr;
    }
    if (length > kBatch || head_size + length > kBatch - done) return ToResult(env, -EINVAL);
    char* const record = publisher->batch + done;
    PutSum({head, head_size, true, publisher->seed}, {static_cast<const char*>(bytes), length});
    memcpy(record, head, head_size);
    if (length > 0) memcpy(record + head_size, bytes, length);
    const size_t size = head_size + length;
    const size_t padding = (publisher->unit - size % publisher->unit) % publisher->unit;
    if (padding > kBatch - done - size) return ToResult(env, -EINVAL);
    memset(record + size, 0, padding);
    done += size + padding;
  }
  return ToResult(env, Publish(publisher, {nullptr, 0, false, 0}, {publisher->batch, done}, done));
}

}  // namespace

void InitRecordPublisher(Napi::Env env, Napi::Object exports) {
  const napi_property_descriptor functions[] = {
      {"recordPublisher", nullptr, MakePublisher, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"publishRecord", nullptr, PublishRecord, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"publishRecords", nullptr, PublishRecords, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}

}  // namespace dax
