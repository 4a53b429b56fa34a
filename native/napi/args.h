// Owns the reading of arguments of native functions. src/binding.ts declares their types and src/ checks the
// user's values, so a wrong argument here is a bug of node-dax: it throws before anything happens.
#ifndef NODE_DAX_NATIVE_ARGS_H_
#define NODE_DAX_NATIVE_ARGS_H_

#include <napi.h>

#include <cstddef>
#include <cstdint>

namespace dax {

// It uses plain Node-API without wrappers, because it is on the path of a 4 KiB read that takes 100 ns in
// all.
class Args {
 public:
  static constexpr size_t kMax = 7;

  Args(napi_env env, napi_callback_info info);

  // Whether there is an argument of this index.
  bool Has(size_t index) const { return index < count_; }
  // Each function returns false, with a TypeError pending, for an argument of a wrong type.
  bool External(size_t index, void** pointer) const;
  bool Bytes(size_t index, uint64_t* value) const;
  // Reads a part of a buffer, as an offset and a length. Both are absent for the whole buffer, because
  // checking for `undefined` would take as long as reading a number.
  bool Part(size_t index, uint64_t* offset, uint64_t* length) const;
  // Reads 64 bits: a bigint, or a number of at least 0.
  bool Word(size_t index, uint64_t* value) const;
  bool Bool(size_t index, bool* value) const;
  // Reads the memory of a Uint8Array or Buffer from `offset` on, and reduces `length` to the bytes that
  // follow there.
  bool Memory(size_t index, uint64_t offset, uint64_t* length, char** memory) const;

  napi_env env() const { return env_; }
  napi_value operator[](size_t index) const { return values_[index]; }

 private:
  bool Fail(size_t index, const char* expected) const;

  const napi_env env_;
  size_t count_ = kMax;
  napi_value values_[kMax];
};

// Makes a number of a count of bytes or a negative errno.
napi_value ToResult(napi_env env, int64_t value);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_ARGS_H_
