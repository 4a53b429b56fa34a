// Owns one mmap of a source, and moves bytes in and out of it.
#ifndef NODE_DAX_NATIVE_MAPPING_H_
#define NODE_DAX_NATIVE_MAPPING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "device/source.h"
#include "persist/persist.h"
#include "sigbus/mapped_range.h"

namespace dax {

// Shared by reference count between a device, the copies in flight and every ArrayBuffer made of it, on all
// threads of the process: the last one unmaps. Positions are bytes from the start of the source.
class Mapping {
 public:
  // Shared with the device; MAP_SYNC tried first. `forced` replaces the granularity found. 0 or -errno.
  static int CreateShared(const std::shared_ptr<Source>& source, std::optional<Granularity> forced,
                          std::shared_ptr<Mapping>* result);
  // Private: stores stay in this mapping. It makes views of a read-only device that a stray store cannot
  // kill.
  static int CreatePrivate(const std::shared_ptr<Source>& source, std::shared_ptr<Mapping>* result);

  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  char* address() const { return address_; }
  // Bytes of content: the mapping itself is rounded up to the alignment.
  uint64_t length() const { return length_; }
  bool map_sync() const { return map_sync_; }
  Granularity granularity() const { return persistence_.granularity(); }
  const Persistence& persistence() const { return persistence_; }

  // Each returns the bytes moved, or if none could be -errno: -EIO (poison, or the file ends earlier by now),
  // -EFAULT (the user's memory faulted). The range must lie inside the mapping.
  int64_t Read(char* target, size_t length, uint64_t pos) const;
  // Writes zeros if `source` is null. Durable on return if `flush`. A bad page that is written over as a
  // whole is made good where the device can (PO-2).
  int64_t Write(const char* source, size_t length, uint64_t pos, bool flush) const;

  // Gives the device back at once (MappedRange::Withdraw). The address range stays until the last reference
  // goes. Copies under way end with -EBADF.
  void Retire();

  // How many bytes of the range come before the first page of it that was lost.
  size_t Intact(uint64_t pos, size_t length) const { return range_->BytesBeforeLoss(pos, length); }
  // A page was lost since the mapping was made.
  bool any_lost() const { return range_->any_lost(); }

  // 0 or -errno: -EIO when a page of the range was lost.
  int Flush(uint64_t pos, size_t length) const;
  void Drain() const { persistence_.Drain(); }

 private:
  // Takes over what mmap gave; unmaps it on failure.
  static int Adopt(const std::shared_ptr<Source>& source, void* address, uint64_t length,
                   uint64_t reserved_length, bool map_sync, Persistence persistence,
                   std::shared_ptr<Mapping>* result);
  Mapping(std::shared_ptr<Source> source, char* address, uint64_t length, uint64_t reserved_length,
          bool map_sync, Persistence persistence, MappedRange* range);

  // Up to the first bad page.
  int64_t WriteGood(const char* source, size_t length, uint64_t pos, bool flush) const;
  // Gives the bad page at `pos` this content by way of the kernel, which clears poison. False where that
  // cannot be.
  bool Repair(const char* source, size_t length, uint64_t pos) const;

  // What a copy came to, seen again after it: pages may have been lost, or the mapping retired, meanwhile.
  int64_t Settle(int64_t moved, uint64_t pos) const;

  // For repairs, on any thread; let go of when the mapping is retired, because the descriptor goes with it.
  mutable std::mutex source_mutex_;
  std::shared_ptr<Source> source_;
  char* const address_;
  const uint64_t length_;
  const uint64_t reserved_length_;
  const bool map_sync_;
  const Persistence persistence_;
  std::atomic<bool> retired_{false};
  MappedRange* const range_;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_MAPPING_H_
