#include "napi/args.h"

#include <algorithm>
#include <string>

namespace dax {

Args::Args(napi_env env, napi_callback_info info) : env_(env) {
  if (napi_get_cb_info(env, info, &count_, values_, nullptr, nullptr) != napi_ok) count_ = 0;
}

bool Args::Fail(size_t index, const char* expected) const {
  const std::string message = "argument " + std::to_string(index) + " must be " + expected;
  napi_throw_type_error(env_, "ERR_INVALID_ARG_TYPE", message.c_str());
  return false;
}

bool Args::External(size_t index, void** pointer) const {
  if (napi_get_value_external(env_, values_[index], pointer) == napi_ok) return true;
  return Fail(index, "a handle of this addon");
}

bool Args::Bytes(size_t index, uint64_t* value) const {
  double number = 0;
  if (napi_get_value_double(env_, values_[index], &number) == napi_ok && number >= 0 &&
      number <= 9007199254740991.0) {
    *value = static_cast<uint64_t>(static_cast<int64_t>(number));
    return true;
  }
  return Fail(index, "a number of bytes");
}

bool Args::Part(size_t index, uint64_t* offset, uint64_t* length) const {
  if (index >= count_) {
    *offset = 0;
    *length = UINT64_MAX;
    return true;
  }
  return Bytes(index, offset) && Bytes(index + 1, length);
}

bool Args::Word(size_t index, uint64_t* value) const {
  bool lossless = false;
  if (napi_get_value_bigint_uint64(env_, values_[index], value, &lossless) == napi_ok && lossless)
    return true;
  return Bytes(index, value);
}

bool Args::Bool(size_t index, bool* value) const {
  if (napi_get_value_bool(env_, values_[index], value) == napi_ok) return true;
  return Fail(index, "a boolean");
}

bool Args::Memory(size_t index, uint64_t offset, uint64_t* length, char** memory) const {
  void* data = nullptr;
  size_t size = 0;
  if (napi_get_buffer_info(env_, values_[index], &data, &size) == napi_ok && offset <= size) {
    *length = std::min<uint64_t>(*length, size - offset);
    *memory = static_cast<char*>(data) + offset;
    return true;
  }
  return Fail(index, "a Uint8Array that reaches to the offset");
}

napi_value ToResult(napi_env env, int64_t value) {
  napi_value result = nullptr;
  napi_create_int64(env, value, &result);
  return result;
}

}  // namespace dax
