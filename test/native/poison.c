// Poisons memory as a machine check would: `poison(arrayBuffer, offset)`. The page must be there, of a
// device.

#include <errno.h>
#include <node_api.h>
#include <string.h>
#include <sys/mman.h>

static napi_value Poison(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  char* data;
  size_t length;
  int64_t offset;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count != 2 ||
      napi_get_arraybuffer_info(env, arguments[0], (void**)&data, &length) != napi_ok ||
      napi_get_value_int64(env, arguments[1], &offset) != napi_ok || offset < 0 ||
      (size_t)offset + 4096 > length) {
    napi_throw_type_error(env, NULL, "an ArrayBuffer and a position in it are needed");
    return NULL;
  }
  // The signal comes before it returns, and says that the page is gone: the result does not matter then.
  if (madvise(data + offset, 4096, MADV_HWPOISON) != 0 && (errno == EPERM || errno == EINVAL)) {
    napi_throw_error(env, NULL, strerror(errno));
  }
  return NULL;
}

NAPI_MODULE_INIT() {
  napi_value function;
  if (napi_create_function(env, "poison", NAPI_AUTO_LENGTH, Poison, NULL, &function) == napi_ok) {
    napi_set_named_property(env, exports, "poison", function);
  }
  return exports;
}
