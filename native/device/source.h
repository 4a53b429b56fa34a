// Owns one opened path and its kind: devdax, fsdax, an ordinary file or a block device.
#ifndef NODE_DAX_NATIVE_SOURCE_H_
#define NODE_DAX_NATIVE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dax {

enum class Kind { kDevdax, kFsdax, kFile, kBlock };

enum class LockMode { kNone, kShared, kExclusive };

struct SourceOptions {
  bool read_only = false;
  // The size in bytes of an ordinary file to create. An existing file must be empty or have this size.
  std::optional<uint64_t> create_size;
  // Whether the source holds both locks on all of its bytes while it is open: shared if it is read-only, else
  // exclusive.
  bool lock = false;
  // Whether `lock` also claims a writable block device (O_EXCL), so nobody can mount it in the meantime.
  bool claim = false;
  // Whether a mapping of it copies by system calls where that saves page faults.
  bool by_call = false;
};

// An open device or file. It owns the descriptor. Everything else was read at open and does not change.
class Source {
 public:
  // Returns 0 or -errno: -EISDIR, -ENODEV (neither a file nor a block device nor a devdax), -EEXIST
  // (create_size differs), -EWOULDBLOCK (another has the lock), or the kernel's.
  static int Open(const char* path, const SourceOptions& options, std::shared_ptr<Source>* result);

  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  int fd() const { return fd_; }
  Kind kind() const { return kind_; }
  // Whether this open made the file, or gave an empty file its size.
  bool created() const { return created_; }
  bool filled() const { return filled_; }
  // Removes the file that this open made, or empties the file that it gave its size.
  void Undo(const char* path) const;
  bool read_only() const { return read_only_; }
  bool by_call() const { return by_call_; }
  // Whether the file has STATX_ATTR_DAX, which kernels before 5.8 do not report.
  bool statx_dax() const { return statx_dax_; }
  // Mappings begin and end at multiples of this: the `align` of a devdax, else the page size.
  uint64_t alignment() const { return alignment_; }
  // -1 if the kernel names none.
  int numa_node() const { return numa_node_; }
  // "memory_controller", "cpu_cache", or empty if no region names its domain.
  const std::string& persistence_domain() const { return persistence_domain_; }
  // The physical address of the first byte of a devdax, or of the device below a DAX file, if this process
  // may read it. The rest of a devdax may lie elsewhere.
  std::optional<uint64_t> resource() const { return resource_; }
  // The physical address of the byte at `pos` of a devdax or a DAX file, if it can be known.
  std::optional<uint64_t> PhysicalAddress(uint64_t pos) const;

  // Reads the size in bytes, which may change for a file.
  int Size(uint64_t* size) const;
  // Returns the first position from `pos` on where the file has data, or, if not `data`, a hole (lseek with
  // SEEK_DATA or SEEK_HOLE). The end of a file counts as a hole, and a device as data throughout. Returns the
  // size if no data follows, or -errno.
  int64_t Seek(uint64_t pos, bool data) const;
  // Sets the size of a file (ftruncate).
  int Truncate(uint64_t size) const;
  // Writes out the bytes that the memory controller still holds, by the region's `deep_flush`, or else by
  // fsync.
  int DeepFlush() const;

  // Flock and LockRange take locks that belong to this open file. Each replaces the lock of its kind that the
  // file had before. Flock takes the lock of flock(2), which other programs check and which has no ranges.
  // Returns 0, or -EAGAIN if another has the lock; the previous lock is gone then.
  int Flock(LockMode mode) const;
  // Takes the lock of fcntl(2) with F_OFD_SETLK on `length` bytes from `start` on; 0 means everything from
  // there on. Returns 0, or -EAGAIN if another has a part of the range; nothing has changed then.
  int LockRange(LockMode mode, uint64_t start, uint64_t length) const;
  // Claims a writable block device (O_EXCL), so nobody can mount it, or gives the claim back. Returns 0 or
  // -EBUSY.
  int Claim(bool is_claimed);

 private:
  // A part of a devdax that lies in one piece, from byte `pos` of the devdax on.
  struct Range {
    uint64_t pos;
    uint64_t length;
    uint64_t address;
  };

  Source(int fd, const SourceOptions& options)
      : fd_(fd), read_only_(options.read_only), by_call_(options.by_call) {}

  int Classify();
  void ReadDevdax(const std::string& directory);
  void ReadRanges(const std::string& directory);
  void ReadRegion(const std::string& directory);
  void ReadDiskResource(const std::string& directory);
  int CreateSize(uint64_t size);

  const int fd_;
  const bool read_only_;
  const bool by_call_;
  int claim_fd_ = -1;
  bool created_ = false;
  bool filled_ = false;
  Kind kind_ = Kind::kFile;
  bool statx_dax_ = false;
  uint64_t alignment_ = 4096;
  int numa_node_ = -1;
  std::string persistence_domain_;
  std::string deep_flush_;
  std::optional<uint64_t> resource_;
  uint64_t devdax_size_ = 0;
  std::vector<Range> ranges_;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_SOURCE_H_
