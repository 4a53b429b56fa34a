// Makes memory bad. `poison(arrayBuffer, offset)`: as a machine check would; the page must be there, of a
// device. `disableHugePages()`: this process and its children get no huge pages from now on.

#include <errno.h>
#include <node_api.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

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

static napi_value DisableHugePages(napi_env env, napi_callback_info info) {
  (void)info;
  if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0) napi_throw_error(env, NULL, strerror(errno));
  return NULL;
}

NAPI_MODULE_INIT() {
  napi_value function;
  if (napi_create_function(env, "poison", NAPI_AUTO_LENGTH, Poison, NULL, &function) == napi_ok) {
    napi_set_named_property(env, exports, "poison", function);
  }
  if (napi_create_function(env, "disableHugePages", NAPI_AUTO_LENGTH, DisableHugePages, NULL, &function) ==
      napi_ok) {
    napi_set_named_property(env, exports, "disableHugePages", function);
  }
  return exports;
}
