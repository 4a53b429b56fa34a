#include "device/source.h"

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "device/statx.h"
#include "device/sysfs.h"

namespace dax {
namespace {

// udev locks a block device, shared, for a moment after a writer has closed it.
constexpr int kLockAttempts = 100;
constexpr useconds_t kLockPause = 10'000;

// Checks the type before the open, because opening a terminal, a tape or a pipe can have side effects.
int CheckFileType(mode_t mode, dev_t device) {
  if (S_ISREG(mode) || S_ISBLK(mode)) return 0;
  if (S_ISDIR(mode)) return -EISDIR;
  if (S_ISCHR(mode) && SysfsSubsystem(SysfsDirectory(DeviceClass::kChar, device)) == "dax") return 0;
  return -ENODEV;
}

}  // namespace

Source::~Source() {
  Claim(false);
  close(fd_);
}

void Source::Undo(const char* path) const {
  if (created_) unlink(path);
  if (filled_) Truncate(0);
}

int Source::Open(const char* path, const SourceOptions& options, std::shared_ptr<Source>* result) {
  int flags = (options.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
  struct stat status;
  int fd = -1;
  bool created = false;
  if (stat(path, &status) == 0) {
    if (const int error = CheckFileType(status.st_mode, status.st_rdev)) return error;
    if (S_ISBLK(status.st_mode) && options.claim && !options.read_only) flags |= O_EXCL;
    fd = open(path, flags);
  } else if (errno == ENOENT && options.create_size) {
    fd = open(path, flags | O_CREAT | O_EXCL, 0666);
    created = fd >= 0;
  }
  if (fd < 0) return -errno;

  std::shared_ptr<Source> source(new Source(fd, options));
  // Takes the lock before it changes or undoes anything, because the file may belong to a process that has
  // the lock.
  source->created_ = created;
  if (options.lock) {
    const LockMode mode = options.read_only ? LockMode::kShared : LockMode::kExclusive;
    int error = source->LockRange(mode, 0, 0);
    if (error == 0) error = source->Flock(mode);
    if (error != 0 && error != -EAGAIN) source->Undo(path);
    if (error != 0) return error;
  }
  int error = source->Classify();
  if (error == 0 && options.create_size) error = source->CreateSize(*options.create_size);
  if (error != 0) {
    source->Undo(path);
    return error;
  }
  *result = std::move(source);
  return 0;
}

int Source::Flock(LockMode mode) const {
  const int operations[] = {LOCK_UN, LOCK_SH | LOCK_NB, LOCK_EX | LOCK_NB};
  struct stat status;
  const bool is_block = fstat(fd_, &status) == 0 && S_ISBLK(status.st_mode);
  for (int left = is_block && mode == LockMode::kExclusive ? kLockAttempts : 1;;) {
    if (flock(fd_, operations[static_cast<int>(mode)]) == 0) return 0;
    if (errno == EINTR) continue;
    if (errno != EWOULDBLOCK || --left == 0) return -errno;
    usleep(kLockPause);
  }
}

int Source::LockRange(LockMode mode, uint64_t start, uint64_t length) const {
  constexpr short kTypes[] = {F_UNLCK, F_RDLCK, F_WRLCK};
  struct flock range = {};
  range.l_type = kTypes[static_cast<int>(mode)];
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(start);
  range.l_len = static_cast<off_t>(length);
  if (fcntl(fd_, F_OFD_SETLK, &range) == 0) return 0;
  return errno == EACCES ? -EAGAIN : -errno;
}

int Source::Claim(bool is_claimed) {
  if (is_claimed == (claim_fd_ >= 0)) return 0;
  if (!is_claimed) {
    close(claim_fd_);
    claim_fd_ = -1;
    return 0;
  }
  const std::string self = "/proc/self/fd/" + std::to_string(fd_);
  claim_fd_ = open(self.c_str(), O_RDWR | O_EXCL | O_CLOEXEC | O_NONBLOCK);
  return claim_fd_ < 0 ? -errno : 0;
}

int Source::Classify() {
  struct stat status;
  if (fstat(fd_, &status) != 0) return -errno;
  if (const int error = CheckFileType(status.st_mode, status.st_rdev)) return error;
  if (S_ISCHR(status.st_mode)) {
    kind_ = Kind::kDevdax;
    ReadDevdax(SysfsDirectory(DeviceClass::kChar, status.st_rdev));
    return 0;
  }
  if (S_ISBLK(status.st_mode)) {
    kind_ = Kind::kBlock;
    ReadRegion(SysfsDirectory(DeviceClass::kBlock, status.st_rdev));
    return 0;
  }
  statx_dax_ = IsDaxFile(fd_);
  kind_ = statx_dax_ ? Kind::kFsdax : Kind::kFile;
  const std::string disk = SysfsDirectory(DeviceClass::kBlock, status.st_dev);
  ReadRegion(disk);
  if (statx_dax_) ReadDiskResource(disk);
  return 0;
}

// The namespace of a pmem disk tells where the disk's first byte lies; a partition tells how far into the
// disk it begins.
void Source::ReadDiskResource(const std::string& directory) {
  const std::string disk = SysfsAncestorWith(SysfsBackingDisk(directory), "device");
  const std::optional<uint64_t> start = SysfsNumber(directory, "start");
  resource_ = SysfsNumber(disk, "device/resource");
  if (resource_ == 0u || disk.empty() || SysfsBackingDisk(directory) != directory) resource_.reset();
  if (resource_ && start) *resource_ += *start * 512;
}

void Source::ReadDevdax(const std::string& directory) {
  devdax_size_ = SysfsNumber(directory, "size").value_or(0);
  // Linux has the attribute from 5.10 on. Before, 2 MiB was the default, which suits smaller alignments too.
  alignment_ = SysfsNumber(directory, "align").value_or(2u << 20);
  resource_ = SysfsNumber(directory, "resource");
  if (resource_ == 0u) resource_.reset();  // a process without CAP_SYS_ADMIN reads 0
  ReadRanges(directory);
  ReadRegion(directory);
}

// Reads the directories mapping0, mapping1 and so on (Linux 5.10), whose order does not matter. A devdax of
// an older kernel or of an NVDIMM is one piece.
void Source::ReadRanges(const std::string& directory) {
  for (const std::string& name : SysfsNames(directory, "mapping")) {
    const std::string mapping = directory + "/" + name;
    const std::optional<uint64_t> page = SysfsNumber(mapping, "page_offset");
    const std::optional<uint64_t> start = SysfsNumber(mapping, "start");
    const std::optional<uint64_t> end = SysfsNumber(mapping, "end");
    if (page && start && end && *start != 0) ranges_.push_back({*page * 4096, *end - *start + 1, *start});
  }
  if (ranges_.empty() && resource_) ranges_.push_back({0, devdax_size_, *resource_});
  for (const Range& range : ranges_) {
    if (range.pos == 0) resource_ = range.address;
  }
}

void Source::ReadRegion(const std::string& directory) {
  const std::string disk = SysfsBackingDisk(directory);
  const std::string numa = SysfsAncestorWith(disk, "numa_node");
  numa_node_ = static_cast<int>(SysfsNumber(numa, "numa_node").value_or(static_cast<uint64_t>(-1)));
  const std::string region = SysfsAncestorWith(disk, "persistence_domain");
  persistence_domain_ = SysfsText(region, "persistence_domain").value_or("");
  if (!region.empty()) deep_flush_ = region + "/deep_flush";
}

std::optional<uint64_t> Source::PhysicalAddress(uint64_t pos) const {
  for (const Range& range : ranges_) {
    if (pos >= range.pos && pos - range.pos < range.length) return range.address + (pos - range.pos);
  }
  if (!resource_ || kind_ == Kind::kDevdax) return std::nullopt;
  // The ioctl wants the extent to follow the request in memory.
  alignas(fiemap) char memory[sizeof(fiemap) + sizeof(fiemap_extent)] = {};
  auto* const query = reinterpret_cast<fiemap*>(memory);
  query->fm_start = pos;
  query->fm_length = 1;
  query->fm_extent_count = 1;
  if (ioctl(fd_, FS_IOC_FIEMAP, query) != 0 || query->fm_mapped_extents != 1) return std::nullopt;
  const fiemap_extent& extent = query->fm_extents[0];
  constexpr uint32_t kNoAddress = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_NOT_ALIGNED;
  if ((extent.fe_flags & kNoAddress) != 0 || extent.fe_logical > pos) return std::nullopt;
  return *resource_ + extent.fe_physical + (pos - extent.fe_logical);
}

int Source::CreateSize(uint64_t size) {
  struct stat status;
  if (fstat(fd_, &status) != 0) return -errno;
  if (!S_ISREG(status.st_mode)) {
    uint64_t fixed;
    if (const int error = Size(&fixed)) return error;
    return fixed == size ? 0 : -EEXIST;
  }
  const auto current = static_cast<uint64_t>(status.st_size);
  if (current == size) return 0;
  if (current != 0) return -EEXIST;
  filled_ = !created_;
  // tmpfs would take memory until there is none before it refused, and the kernel would end processes for it.
  struct statvfs disk;
  const bool is_limited = fstatvfs(fd_, &disk) == 0 && disk.f_blocks != 0;
  if (is_limited && size / disk.f_frsize > disk.f_bfree) return -ENOSPC;
  // The file is allocated now, because a store to a hole that finds the disk full would be a SIGBUS.
  if (fallocate(fd_, 0, 0, static_cast<off_t>(size)) == 0) return 0;
  return errno == EOPNOTSUPP || errno == ENOSYS ? Truncate(size) : -errno;
}

int Source::Size(uint64_t* size) const {
  if (kind_ == Kind::kDevdax) {
    *size = devdax_size_;
    return 0;
  }
  if (kind_ == Kind::kBlock) return ioctl(fd_, BLKGETSIZE64, size) == 0 ? 0 : -errno;
  struct stat status;
  if (fstat(fd_, &status) != 0) return -errno;
  *size = static_cast<uint64_t>(status.st_size);
  return 0;
}

int64_t Source::Seek(uint64_t pos, bool data) const {
  uint64_t size = 0;
  if (const int error = Size(&size)) return error;
  if (kind_ == Kind::kDevdax || kind_ == Kind::kBlock)
    return static_cast<int64_t>(data ? std::min(pos, size) : size);
  const off_t found = lseek(fd_, static_cast<off_t>(pos), data ? SEEK_DATA : SEEK_HOLE);
  if (found >= 0) return found;
  return errno == ENXIO ? static_cast<int64_t>(size) : -errno;
}

int Source::Truncate(uint64_t size) const {
  return ftruncate(fd_, static_cast<off_t>(size)) == 0 ? 0 : -errno;
}

int Source::DeepFlush() const {
  if (kind_ != Kind::kDevdax) return fsync(fd_) == 0 ? 0 : -errno;
  // A region without the attribute, or with one that nobody may write, has nothing to write out beyond its
  // persistence domain.
  struct stat status;
  if (deep_flush_.empty() || stat(deep_flush_.c_str(), &status) != 0) return 0;
  if ((status.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH)) == 0) return 0;
  const int fd = open(deep_flush_.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return -errno;
  const int error = write(fd, "1", 1) == 1 ? 0 : -errno;
  close(fd);
  return error;
}

}  // namespace dax
