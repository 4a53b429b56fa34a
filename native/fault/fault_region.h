// Owns one reserved range of addresses that shows a part of a file, and knows what is installed where in it.
#ifndef NODE_DAX_NATIVE_FAULT_REGION_H_
#define NODE_DAX_NATIVE_FAULT_REGION_H_

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "device/backing.h"
#include "fault/fault_client.h"
#include "fault/page_range.h"
#include "fault/run_map.h"
#include "sigbus/mapped_range.h"

namespace dax {

// What a region looks like; fixed when it is made.
struct RegionShape {
  PageRange pages;  // of the file
  size_t unit;      // bytes in a page
  bool writable;    // PROT_WRITE
  bool shared;      // MAP_SHARED
  // A fault that cannot be served ends the process, as the kernel's would.
  bool kill;
  // The device's position of the first page modulo 2 MiB: the addresses follow it, for the sake of huge
  // pages.
  uint64_t phase;
};

// Counts for those who ask why it is slow.
struct FaultStats {
  std::atomic<uint64_t> minor{0};    // served from what was known
  std::atomic<uint64_t> major{0};    // a block was allocated
  std::atomic<uint64_t> asked{0};    // the owner had to be asked
  std::atomic<uint64_t> hole{0};     // zeros were installed
  std::atomic<uint64_t> mkwrite{0};  // first stores to such zeros
  std::atomic<uint64_t> refused{0};
  // Of minor faults: [i] counts those that took less than 2^i nanoseconds, and no less than half of it.
  std::array<std::atomic<uint64_t>, 40> nanoseconds{};
};

// Calls that change what is installed are made under the file's lock (FaultFile), and none after Retire.
// Replace is made without it: mremap waits for the service thread, which takes that lock.
class FaultRegion {
 public:
  // 0 or -errno.
  static int Reserve(const RegionShape& shape, std::shared_ptr<FaultClient> client,
                     std::unique_ptr<FaultRegion>* result);
  ~FaultRegion();
  FaultRegion(const FaultRegion&) = delete;
  FaultRegion& operator=(const FaultRegion&) = delete;

  uint64_t id() const { return id_; }
  const RegionShape& shape() const { return shape_; }
  // The isolate that looks through it.
  const std::shared_ptr<FaultClient>& client() const { return client_; }
  char* address() const { return address_; }
  size_t length() const { return shape_.pages.count * shape_.unit; }
  FaultStats& stats() { return stats_; }
  uint64_t PageOf(uintptr_t address) const {
    return shape_.pages.first + (address - reinterpret_cast<uintptr_t>(address_)) / shape_.unit;
  }

  char* AddressOf(uint64_t page) const { return address_ + (page - shape_.pages.first) * shape_.unit; }

  // The pages that bytes of it are in.
  PageRange PagesOf(uint64_t offset, size_t length) const {
    const uint64_t first = offset / shape_.unit;
    return {shape_.pages.first + first, length == 0 ? 0 : (offset + length - 1) / shape_.unit - first + 1};
  }

  // All of the pages are there, and lie one after the other from `place` on.
  bool ShowsJustSo(PageRange pages, const Place& place) const;

  // What an event for the page asks for is there: another thread's event, for the same touch, was first.
  bool IsThere(uint64_t page, bool write_protected) const;
  // The page is among those that are replaced: whoever touches it is woken when that is done, and asks again.
  bool IsHeld(uint64_t page) const { return held_.Holds(page); }
  // The first pages of a range that nothing is in.
  PageRange NextGap(PageRange pages) const { return pieces_.NextGap(pages); }
  // Each of these returns 0 or -errno; -EAGAIN as Userfault does.
  // Puts pages of the device in place, `page` and as many around it as nothing else holds. The pages of
  // `around` lie one after the other from `place` on.
  int InstallDevice(uint64_t page, PageRange around, const Place& place, PageRange* installed);
  // Puts zeros in place, which a store to is an event unless they are `own`: a private mapping's.
  int InstallZeros(PageRange pages, bool own);
  // Puts a copy of the page in place, unless something is there. A store to it is an event.
  int InstallCopy(uint64_t page, const char* bytes);
  // Lets stores to a private mapping's zeros or copy pass: they are its own from now on.
  int MakeOwn(uint64_t page);
  // Every touch is a SIGBUS from now on; a system call gets EFAULT. Nothing, where it is held.
  int Refuse(PageRange pages, int error);
  void Wake(PageRange pages);

  // What of the range must go: all of it, or, unless `even_cows`, only what is no private copy of stored-to
  // pages. Forgets it, so that the next event finds nothing there. Call Replace with the result, and then
  // EndReplacement: until then whoever touches it in vain waits, and so does a store to a private mapping,
  // which must not go where it would be lost.
  std::vector<PageRange> Release(PageRange pages, bool even_cows);
  // As Release, for what was refused; `even_lost`: also where somebody saw zeros since.
  std::vector<PageRange> ReleaseRefused(PageRange pages, bool even_lost);
  // As Release, for what stores could go to and come to a shared file. What was lost stays.
  std::vector<PageRange> ReleaseStored(PageRange pages);
  // As Release, for copies that nobody stored to.
  std::vector<PageRange> ReleaseCopies();
  // Puts fresh reserved memory in place of what was there, in one step.
  void Replace(const std::vector<PageRange>& ranges);
  // After the last Replace.
  void EndReplacement();
  // Nothing of the file is seen through it any more (MappedRange::Withdraw).
  void Retire();
  bool retired() const { return retired_.load(); }
  // Its file has no owner any more: that is why pages are lost from now on.
  void Orphan() { untold_.store(-ESTALE); }

  // Touches each page once, for a store if stores are allowed. Returns the bytes before the first page that
  // cannot be had. Without the lock: it faults.
  int64_t Prefault(size_t length) const;

  // Memory of a device, to be flushed.
  struct DevicePart {
    char* address;
    size_t length;
    std::shared_ptr<const Backing> backing;
  };
  std::vector<DevicePart> DeviceParts(uint64_t offset, size_t length) const;
  // How many bytes of the range come before the first page of it that was lost: touched in vain.
  size_t Intact(uint64_t offset, size_t length) const { return range_->BytesBeforeLoss(offset, length); }
  bool AnyLost(uint64_t offset, size_t length) const { return Intact(offset, length) < length; }

  // Pages that were lost since the last call, and why: what they were refused for, -EROFS for a store to what
  // may only be read, -EIO for what the medium did.
  std::vector<std::pair<uint64_t, int>> TakeLosses(PageRange pages);

 private:
  enum class Content { kDevice, kZeros, kCopy, kOwn, kRefused };

  struct Piece {
    Content content;
    Place place;  // of kDevice
    int error;    // of kRefused

    Piece After(uint64_t pages) const { return {content, place.After(pages), error}; }
    bool operator==(const Piece& other) const {
      return content == other.content && place == other.place && error == other.error;
    }
  };

  FaultRegion(const RegionShape& shape, std::shared_ptr<FaultClient> client, char* address,
              MappedRange* range);

  PageRange Clip(PageRange pages) const { return Intersect(pages, shape_.pages); }
  bool replacing() const { return held_.count > 0; }
  void Hold(PageRange pages);
  void Forget(const std::vector<PageRange>& ranges);
  std::vector<PageRange> ReleaseOnly(Content content, PageRange pages, bool even_lost);
  bool Renew(char* address, size_t length) const;
  bool IsLost(uint64_t page) const;
  // Why a page was lost.
  int Reason(uint64_t page) const;

  const uint64_t id_;
  const RegionShape shape_;
  const std::shared_ptr<FaultClient> client_;
  char* const address_;
  MappedRange* const range_;
  std::atomic<bool> retired_{false};
  // Why a page was lost for which no reason is remembered.
  std::atomic<int> untold_{-EIO};
  RunMap<Piece> pieces_;
  // From Release to EndReplacement: the pages between which something is to be replaced. An event for one of
  // them waits.
  PageRange held_{0, 0};
  FaultStats stats_;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_FAULT_REGION_H_
