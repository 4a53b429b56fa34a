// Opens a path once and classifies once what is behind it: devdax, fsdax, an ordinary file or a block device.
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
  // Bytes of an ordinary file to create; an existing file must be empty or have this size.
  std::optional<uint64_t> create_size;
  // Holds both locks on the whole as long as the source is open: shared if it is read-only, else exclusive.
  bool lock = false;
  // With `lock`, a writable block device is claimed as well (O_EXCL): nobody can mount it meanwhile.
  bool claim = false;
};

// An open device or file. It owns the descriptor; everything else was read at open and stays as it was.
class Source {
 public:
  // 0, or the negative errno of what stood in the way:
  // -EISDIR, -ENODEV (no file, block device or devdax), -EEXIST (create_size differs), -EWOULDBLOCK (another
  // has the lock), or what the kernel answered.
  static int Open(const char* path, const SourceOptions& options, std::shared_ptr<Source>* result);

  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  int fd() const { return fd_; }
  Kind kind() const { return kind_; }
  // This open made the file, or gave an empty one its size.
  bool created() const { return created_; }
  bool filled() const { return filled_; }
  // Takes either back.
  void Undo(const char* path) const;
  bool read_only() const { return read_only_; }
  // STATX_ATTR_DAX of a file. Kernels before 5.8 do not say.
  bool statx_dax() const { return statx_dax_; }
  // Mappings begin and end at multiples of this: the `align` of a devdax, else the page size.
  uint64_t alignment() const { return alignment_; }
  // -1 where the kernel names none.
  int numa_node() const { return numa_node_; }
  // "memory_controller", "cpu_cache", or empty where no region says.
  const std::string& persistence_domain() const { return persistence_domain_; }
  // The physical address of the first byte of a devdax, or of the device below a DAX file, where it may be
  // read. A devdax may go on elsewhere.
  std::optional<uint64_t> resource() const { return resource_; }
  // The physical address of the byte at `pos`, where it can be known: of a devdax, or a block of a DAX file.
  std::optional<uint64_t> PhysicalAddress(uint64_t pos) const;

  // Bytes now: a file's size may change.
  int Size(uint64_t* size) const;
  // Sets the size of a file (ftruncate).
  int Truncate(uint64_t size) const;
  // Writes what the memory controller still holds: the region's `deep_flush`, else fsync.
  int DeepFlush() const;

  // Two locks, both of this open file and of nobody else, each in place of the one that it had before.
  // flock(2) is what other programs know; it has no ranges. 0, or -EAGAIN where another has it: then the one
  // before is gone.
  int Flock(LockMode mode) const;
  // fcntl(2) with F_OFD_SETLK, from `start` on, to the end and whatever comes behind it where `length` is 0.
  // 0, or -EAGAIN where another has a part of it: then nothing has changed.
  int LockRange(LockMode mode, uint64_t start, uint64_t length) const;
  // Claims a writable block device (O_EXCL) so that nobody can mount it, or gives the claim back. 0, or
  // -EBUSY.
  int Claim(bool is_claimed);

 private:
  // A part of a devdax that lies in one piece, from byte `pos` of it on.
  struct Range {
    uint64_t pos;
    uint64_t length;
    uint64_t address;
  };

  Source(int fd, bool read_only) : fd_(fd), read_only_(read_only) {}

  int Classify();
  void ReadDevdax(const std::string& directory);
  void ReadRanges(const std::string& directory);
  void ReadRegion(const std::string& directory);
  void ReadDiskResource(const std::string& directory);
  int CreateSize(uint64_t size);

  const int fd_;
  const bool read_only_;
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
