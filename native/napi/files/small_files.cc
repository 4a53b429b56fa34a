#include "napi/files/small_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "napi/args.h"

namespace dax {
namespace {

constexpr int64_t kNanoseconds = 1000000000;

// The fields that a file has in the answer. src/descriptor/small-files.ts reads them.
struct Fields {
  int64_t dev, ino, mode, nlink, uid, gid, rdev, size, atime_ns, mtime_ns;
  // 0, or the -errno of the look at the file.
  int64_t error;
  // The position of the content in the buffer; -1 if it was not read.
  int64_t offset;
};

// A file descriptor that is closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

int64_t Nanoseconds(const timespec& time) {
  return time.tv_sec * kNanoseconds + time.tv_nsec;
}

void Tell(const struct stat& status, Fields* fields) {
  fields->dev = static_cast<int64_t>(status.st_dev);
  fields->ino = static_cast<int64_t>(status.st_ino);
  fields->mode = status.st_mode;
  fields->nlink = static_cast<int64_t>(status.st_nlink);
  fields->uid = status.st_uid;
  fields->gid = status.st_gid;
  fields->rdev = static_cast<int64_t>(status.st_rdev);
  fields->size = status.st_size;
  fields->atime_ns = Nanoseconds(status.st_atim);
  fields->mtime_ns = Nanoseconds(status.st_mtim);
}

// Reads a file that has `size` bytes. Returns false if the file cannot be read or is longer or shorter, as
// files of /proc are.
bool ReadWhole(int directory, const char* name, char* content, size_t size) {
  const Descriptor file(openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  // Asks for one byte more, to notice a file that has grown.
  return file.fd() >= 0 && read(file.fd(), content, size + 1) == static_cast<ssize_t>(size);
}

// readSmallFiles(directory, names, content, fields) -> files looked at | -errno
// `directory` and each of the `names` end with a NUL. Reading stops after a directory, at a file that does
// not fit in the rest of the buffer, and where `fields` ends.
napi_value ReadSmallFiles(napi_env env, napi_callback_info info) {
  const Args args(env, info);
  uint64_t path_length = UINT64_MAX, names_length = UINT64_MAX, room = UINT64_MAX, space = UINT64_MAX;
  char *path, *names, *content, *memory;
  if (!args.Memory(0, 0, &path_length, &path) || !args.Memory(1, 0, &names_length, &names) ||
      !args.Memory(2, 0, &room, &content) || !args.Memory(3, 0, &space, &memory)) {
    return nullptr;
  }
  const Descriptor directory(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (directory.fd() < 0) return ToResult(env, -errno);
  auto* const fields = reinterpret_cast<Fields*>(memory);
  const uint64_t most = space / sizeof(Fields);
  uint64_t count = 0, used = 0;
  for (const char* name = names; name < names + names_length && count < most; name += strlen(name) + 1) {
    Fields* const file = &fields[count];
    struct stat status;
    file->offset = -1;
    file->error = fstatat(directory.fd(), name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : -errno;
    if (file->error == 0) Tell(status, file);
    if (file->error == 0 && S_ISREG(status.st_mode)) {
      const auto size = static_cast<uint64_t>(status.st_size);
      if (size < room && size >= room - used) break;
      if (size < room && ReadWhole(directory.fd(), name, content + used, size)) {
        file->offset = static_cast<int64_t>(used);
        used += size;
      }
    }
    count++;
    if (file->error == 0 && S_ISDIR(status.st_mode)) break;
  }
  return ToResult(env, static_cast<int64_t>(count));
}

}  // namespace

void InitSmallFiles(Napi::Env env, Napi::Object exports) {
  const napi_property_descriptor functions[] = {
      {"readSmallFiles", nullptr, ReadSmallFiles, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
}

}  // namespace dax
