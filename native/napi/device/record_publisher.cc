#include "napi/device/record_publisher.h"

#include <endian.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "checksum/crc32c.h"
#include "device/mapping.h"
#include "napi/args.h"
#include "napi/device/device_handle.h"

namespace dax {
namespace {

constexpr size_t kHeader = 16;
// Records begin at multiples of this from the first one of a batch.
constexpr size_t kUnit = 16;
constexpr size_t kChecksum = sizeof(uint32_t);
constexpr size_t kBatch = 64 * 1024;
constexpr double kMaxInteger = 9007199254740991.0;

// Where a call finds its numbers: JavaScript stores them in an array, because a number argument above 2^31
// would be an object.
struct Numbers {
  double sequence;
  double pos;
  double word;
  double size;  // of the records, as the caller counted it
};

// The object behind a publisher's handle.
struct RecordPublisher {
  std::shared_ptr<Mapping> mapping;
  uint64_t word_pos;
  uint32_t seed;
  const Numbers* numbers;  // of an array that the caller keeps
  char batch[kBatch];
};

bool IsInteger(double value) {
  return value >= 0 && value <= kMaxInteger;
}

uint64_t ToInteger(double value) {
  return static_cast<uint64_t>(static_cast<int64_t>(value));
}

// Whether records that take `size` bytes are those that the numbers are for.
bool Fits(const RecordPublisher& publisher, uint64_t size) {
  const Numbers& numbers = *publisher.numbers;
  const uint64_t room = publisher.mapping->length();
  return IsInteger(numbers.sequence) && IsInteger(numbers.pos) && IsInteger(numbers.word) &&
         numbers.size == static_cast<double>(size) && size <= room && ToInteger(numbers.pos) <= room - size;
}

// Stores all of a header but its checksum.
void PutHeader(char* header, uint64_t length, uint64_t sequence) {
  const uint32_t length_le = htole32(static_cast<uint32_t>(length));
  const uint64_t sequence_le = htole64(sequence);
  memcpy(header + kChecksum, &length_le, sizeof length_le);
  memcpy(header + 8, &sequence_le, sizeof sequence_le);
}

size_t RecordSize(uint64_t length) {
  return (kHeader + length + kUnit - 1) / kUnit * kUnit;
}

void PutRecord(char* record, const char* content, uint64_t length, uint64_t sequence, uint32_t seed) {
  memset(record + RecordSize(length) - kUnit, 0, kUnit);
  PutHeader(record, length, sequence);
  if (length > 0) memcpy(record + kHeader, content, length);
  const uint32_t checksum = htole32(Crc32c(seed, record + kChecksum, kHeader - kChecksum + length));
  memcpy(record, &checksum, sizeof checksum);
}

// recordPublisher(handle, wordPos, seed, numbers) -> publisher | -errno
napi_value MakePublisher(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  DaxDevice* device;
  uint64_t word_pos, seed, length = UINT64_MAX;
  char* numbers;
  if (!GetDevice(args, &device) || !args.Bytes(1, &word_pos) || !args.Bytes(2, &seed) ||
      !args.Memory(3, 0, &length, &numbers)) {
    return nullptr;
  }
  if (const int error = CheckRange(*device, word_pos, sizeof(uint64_t))) return ToResult(env, error);
  if (const int error = CheckWritable(*device)) return ToResult(env, error);
  if (length != sizeof(Numbers)) return ToResult(env, -EINVAL);
  auto* const publisher = new RecordPublisher{
      device->mapping, word_pos, static_cast<uint32_t>(seed), reinterpret_cast<const Numbers*>(numbers), {}};
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
  if (length > UINT32_MAX || !Fits(*publisher, kHeader + length)) return ToResult(env, -EINVAL);
  const Numbers& numbers = *publisher->numbers;
  char header[kHeader];
  PutHeader(header, length, ToInteger(numbers.sequence));
  return ToResult(
      env, publisher->mapping->Publish({header, kHeader, true, publisher->seed}, {content, length},
                                       ToInteger(numbers.pos), publisher->word_pos, ToInteger(numbers.word)));
}

// publishRecords(publisher, contents, from, to) -> bytes | -errno
napi_value PublishRecords(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  RecordPublisher* publisher;
  uint64_t from, to;
  if (!args.External(0, reinterpret_cast<void**>(&publisher)) || !args.Bytes(2, &from) || !args.Bytes(3, &to))
    return nullptr;
  const Numbers& numbers = *publisher->numbers;
  if (!IsInteger(numbers.sequence)) return ToResult(env, -EINVAL);
  uint64_t sequence = ToInteger(numbers.sequence);
  size_t done = 0;
  for (uint64_t index = from; index < to; index++) {
    napi_value content;
    void* bytes;
    size_t length;
    if (napi_get_element(env, args[1], static_cast<uint32_t>(index), &content) != napi_ok) return nullptr;
    if (napi_get_buffer_info(env, content, &bytes, &length) != napi_ok) {
      napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "a record must be a Buffer, TypedArray or DataView");
      return nullptr;
    }
    if (length > kBatch || RecordSize(length) > kBatch - done) return ToResult(env, -EINVAL);
    PutRecord(publisher->batch + done, static_cast<const char*>(bytes), length, sequence++, publisher->seed);
    done += RecordSize(length);
  }
  if (!Fits(*publisher, done)) return ToResult(env, -EINVAL);
  return ToResult(
      env, publisher->mapping->Publish({nullptr, 0, false, 0}, {publisher->batch, done},
                                       ToInteger(numbers.pos), publisher->word_pos, ToInteger(numbers.word)));
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
