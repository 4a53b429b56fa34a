// Owns one mmap of a source, and the copies in and out of it.
#ifndef NODE_DAX_NATIVE_MAPPING_H_
#define NODE_DAX_NATIVE_MAPPING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>

#include "device/publication.h"
#include "device/source.h"
#include "persist/persist.h"
#include "sigbus/mapped_range.h"

namespace dax {

// A device, the copies in flight and every ArrayBuffer of the memory share a mapping by reference count, on
// all threads of the process. The last of them unmaps it. Positions are bytes from the start of the source.
class Mapping {
 public:
  // Maps the source shared, and tries MAP_SYNC first. `forced` replaces the granularity that is found.
  // Returns 0 or -errno.
  static int CreateShared(const std::shared_ptr<Source>& source, std::optional<Granularity> forced,
                          std::shared_ptr<Mapping>* result);
  // Maps the source privately: stores stay in this mapping. A read-only device is mapped this way, because a
  // stray store to a view would otherwise kill the process.
  static int CreatePrivate(const std::shared_ptr<Source>& source, std::shared_ptr<Mapping>* result);

  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  char* address() const { return address_; }
  // The bytes of content. The mapping itself is rounded up to the alignment.
  uint64_t length() const { return length_; }
  bool map_sync() const { return map_sync_; }
  Granularity granularity() const { return persistence_.granularity(); }
  const Persistence& persistence() const { return persistence_; }

  // Read and Write return the bytes moved. If they can move none, they return -EIO (poison, or the file has
  // become shorter) or -EFAULT (the user's memory faulted). The range must lie inside the mapping.
  int64_t Read(char* target, size_t length, uint64_t pos) const;
  // Writes zeros if `source` is null. The bytes are durable on return if `flush`. A write that covers a whole
  // bad page repairs it, if the device can (PO-2).
  int64_t Write(const char* source, size_t length, uint64_t pos, bool flush) const;

  // Stores the word at `pos`, a multiple of 8, by one store, as little-endian: a reader finds the old word or
  // the new one, and a reader that finds the new one sees everything that this thread stored before the word.
  // Durable on return if `flush`. Returns 0, -EIO or -EBADF.
  int StoreWord(uint64_t pos, uint64_t word, bool flush) const;
  // Loads the word at `pos` by one load: later loads see everything that was stored before the word. Returns
  // 0, -EIO or -EBADF.
  int LoadWord(uint64_t pos, uint64_t* word) const;
  // Writes the head and the body; once they are durable, stores the word at `word_pos`, a multiple of 8,
  // and returns when that is durable too. Returns the bytes moved, as Write does: the word is stored only if
  // all of them were moved.
  int64_t Publish(const Publication& publication, uint64_t word_pos, uint64_t word) const;

  // Gives the device back at once (MappedRange::Withdraw). The addresses stay reserved until the last
  // reference goes. Copies under way end with -EBADF.
  void Retire();

  // The number of bytes of the range before its first lost page.
  size_t Intact(uint64_t pos, size_t length) const { return range_->BytesBeforeLoss(pos, length); }
  // Whether a page was lost since the mapping was made.
  bool any_lost() const { return range_->any_lost(); }

  // Returns 0 or -errno: -EIO if a page of the range was lost.
  int Flush(uint64_t pos, size_t length) const;
  void Drain() const { persistence_.Drain(); }
  // Returns 0 or -errno: -EIO if a page of the range was lost, -EOPNOTSUPP if the processor cannot.
  int Invalidate(uint64_t pos, size_t length) const;

 private:
  // Makes a mapping of the memory that mmap gave, and unmaps that memory on failure.
  static int Adopt(const std::shared_ptr<Source>& source, void* address, uint64_t length,
                   uint64_t reserved_length, bool map_sync, Persistence persistence,
                   std::shared_ptr<Mapping>* result);
  Mapping(std::shared_ptr<Source> source, char* address, uint64_t length, uint64_t reserved_length,
          bool map_sync, Persistence persistence, MappedRange* range);

  // Writes as Write does, and leaves the msync of kPage and the fence to FinishPut.
  int64_t Put(const char* source, size_t length, uint64_t pos, bool flush) const;
  // Makes durable the bytes that were put with `flush`. Returns 0 or -errno.
  int FinishPut(uint64_t pos, size_t length) const;
  // Stores the word of Publish, durably. Returns 0, -EIO or -EBADF.
  int PublishWord(uint64_t pos, uint64_t word) const;
  // The stores of Publish, flushed as Put does.
  int64_t PutBoth(const Publication& publication) const;
  // The source, or null once the mapping was retired.
  std::shared_ptr<Source> SourceNow() const;
  // Copies by pread(2) and pwrite(2), if the source was opened for that. Returns the bytes moved. If it
  // returns 0, the caller must copy by loads and stores, which also find the reason if the copy is
  // impossible.
  int64_t ReadByCall(char* target, size_t length, uint64_t pos) const;
  int64_t WriteByCall(const char* source, size_t length, uint64_t pos) const;
  // Whether the user's memory is a part of this mapping, so only a memmove copies it correctly.
  bool Overlaps(const char* memory, size_t length) const {
    return memory != nullptr && memory < address_ + reserved_length_ && memory + length > address_;
  }
  // Writes up to the first bad page.
  int64_t WriteGood(const char* source, size_t length, uint64_t pos, bool flush) const;
  // Writes this content to the bad page at `pos` through the kernel, which clears poison. Returns false if
  // the kernel cannot.
  bool Repair(const char* source, size_t length, uint64_t pos) const;

  // Corrects the result of a copy, because pages may have been lost, or the mapping retired, during it.
  int64_t Settle(int64_t moved, uint64_t pos) const;

  // Guards the source, because repairs use it on any thread. Retire drops the source, so its descriptor is
  // closed.
  mutable std::mutex source_mutex_;
  std::shared_ptr<Source> source_;
  char* const address_;
  const uint64_t length_;
  const uint64_t reserved_length_;
  const bool map_sync_;
  const bool by_call_;
  const Persistence persistence_;
  std::atomic<bool> retired_{false};
  MappedRange* const range_;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_MAPPING_H_
