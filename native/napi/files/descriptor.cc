#include "napi/files/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include <cstdlib>

#include "napi/args.h"

// Runtimes other than Node load the addon too, and may lack libuv.
#pragma weak uv_poll_init
#pragma weak uv_poll_start
#pragma weak uv_close
#pragma weak uv_handle_size

namespace dax {
namespace {

// A descriptor that the event loop watches. It owns itself: `unwatch`, or the end of the isolate, closes it,
// and libuv's close callback frees it.
struct Watch {
  napi_env env;
  napi_ref callback = nullptr;
  napi_ref resource = nullptr;
  napi_async_context context = nullptr;
  napi_async_cleanup_hook_handle hook = nullptr;
  uv_poll_t* poll = nullptr;
  bool closing = false;
};

void Close(Watch* watch) {
  if (watch->closing) return;
  watch->closing = true;
  uv_close(reinterpret_cast<uv_handle_t*>(watch->poll), [](uv_handle_t* handle) {
    Watch* const ended = static_cast<Watch*>(handle->data);
    napi_delete_reference(ended->env, ended->callback);
    napi_delete_reference(ended->env, ended->resource);
    napi_async_destroy(ended->env, ended->context);
    napi_remove_async_cleanup_hook(ended->hook);
    std::free(ended->poll);
    delete ended;
  });
}

void OnReadable(uv_poll_t* poll, int, int) {
  const Watch* const watch = static_cast<Watch*>(poll->data);
  const napi_env env = watch->env;
  napi_handle_scope scope;
  napi_open_handle_scope(env, &scope);
  napi_value callback, resource, error;
  napi_get_reference_value(env, watch->callback, &callback);
  napi_get_reference_value(env, watch->resource, &resource);
  if (napi_make_callback(env, watch->context, resource, callback, 0, nullptr, nullptr) ==
          napi_pending_exception &&
      napi_get_and_clear_last_exception(env, &error) == napi_ok) {
    napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
}

bool Descriptor(const Args& args, size_t index, int* fd) {
  uint64_t number;
  if (!args.Bytes(index, &number)) return false;
  *fd = static_cast<int>(number);
  return true;
}

// watchReadable(fd, callback) -> watch | -errno
napi_value WatchReadable(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  int fd;
  if (!Descriptor(args, 0, &fd)) return nullptr;
  uv_loop_t* loop;
  if (uv_poll_init == nullptr || napi_get_uv_event_loop(env, &loop) != napi_ok) return ToResult(env, -ENOSYS);
  auto* const watch = new Watch{env};
  watch->poll = static_cast<uv_poll_t*>(std::calloc(1, uv_handle_size(UV_POLL)));
  if (const int error = uv_poll_init(loop, watch->poll, fd)) {
    std::free(watch->poll);
    delete watch;
    return ToResult(env, error);
  }
  watch->poll->data = watch;
  napi_value name, resource, result;
  napi_create_string_utf8(env, "node-dax:descriptor", NAPI_AUTO_LENGTH, &name);
  napi_create_object(env, &resource);
  napi_create_reference(env, args[1], 1, &watch->callback);
  napi_create_reference(env, resource, 1, &watch->resource);
  napi_async_init(env, resource, name, &watch->context);
  napi_add_async_cleanup_hook(
      env, [](napi_async_cleanup_hook_handle, void* data) { Close(static_cast<Watch*>(data)); }, watch,
      &watch->hook);
  uv_poll_start(watch->poll, UV_READABLE, OnReadable);
  napi_create_external(env, watch, nullptr, nullptr, &result);
  return result;
}

// unwatch(watch): call it once.
napi_value Unwatch(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  void* watch;
  if (args.External(0, &watch)) Close(static_cast<Watch*>(watch));
  return nullptr;
}

uint64_t Nanoseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

// Returns bytes or -errno; -EAGAIN if nothing arrives within that time. It polls and does not sleep, because
// putting a processor to sleep and waking it takes longer than most waits here, above all in a virtual
// machine. Between two polls it yields the processor to other work.
ssize_t Read(int fd, char* memory, uint64_t length, uint64_t microseconds) {
  ssize_t bytes = read(fd, memory, length);
  if (bytes < 0 && errno == EAGAIN && microseconds > 0) {
    const uint64_t end = Nanoseconds() + microseconds * 1000;
    do {
      sched_yield();
      bytes = read(fd, memory, length);
    } while (bytes < 0 && errno == EAGAIN && Nanoseconds() < end);
  }
  return bytes < 0 ? -errno : bytes;
}

// readAvailable(fd, target, microseconds) -> bytes | -errno; -EAGAIN if nothing comes within that time
napi_value ReadAvailable(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  int fd;
  uint64_t microseconds, length = UINT64_MAX;
  char* memory;
  if (!Descriptor(args, 0, &fd) || !args.Memory(1, 0, &length, &memory) || !args.Bytes(2, &microseconds))
    return nullptr;
  return ToResult(env, Read(fd, memory, length, microseconds));
}

// exchange(fd, message, bytes, target, microseconds) -> as readAvailable; after an errno of the write there
// was no read; -EMSGSIZE means that only a part of the message was taken
napi_value Exchange(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  int fd;
  uint64_t microseconds, bytes, most = UINT64_MAX, length = UINT64_MAX;
  char *message, *memory;
  if (!Descriptor(args, 0, &fd) || !args.Memory(1, 0, &most, &message) || !args.Bytes(2, &bytes) ||
      !args.Memory(3, 0, &length, &memory) || !args.Bytes(4, &microseconds))
    return nullptr;
  if (bytes > most) return ToResult(env, -EINVAL);
  const ssize_t written = write(fd, message, bytes);
  if (written < 0 && errno != EAGAIN) return ToResult(env, -errno);
  if (written != static_cast<ssize_t>(bytes)) return ToResult(env, -EMSGSIZE);
  return ToResult(env, Read(fd, memory, length, microseconds));
}

// socketPair() -> [descriptor, descriptor] | -errno
napi_value SocketPair(napi_env env, napi_callback_info) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return ToResult(env, -errno);
  napi_value result;
  napi_create_array_with_length(env, 2, &result);
  for (uint32_t index = 0; index < 2; index++)
    napi_set_element(env, result, index, ToResult(env, ends[index]));
  return result;
}

// receiveDescriptor(socket) -> descriptor | -errno; -ENOMSG if none has come
napi_value ReceiveDescriptor(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  int socket;
  if (!Descriptor(args, 0, &socket)) return nullptr;
  char byte;
  iovec part = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t bytes = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (bytes < 0) return ToResult(env, errno == EAGAIN ? -ENOMSG : -errno);
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
    return ToResult(env, -ENOMSG);
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return ToResult(env, fd);
}

}  // namespace

void InitDescriptor(Napi::Env env, Napi::Object exports) {
  const napi_property_descriptor functions[] = {
      {"watchReadable", nullptr, WatchReadable, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"unwatch", nullptr, Unwatch, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"readAvailable", nullptr, ReadAvailable, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"exchange", nullptr, Exchange, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"socketPair", nullptr, SocketPair, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"receiveDescriptor", nullptr, ReceiveDescriptor, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}

}  // namespace dax
