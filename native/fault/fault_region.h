// Owns one reserved range of addresses that shows a part of a file, and the pages that are installed in it.
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

// The properties of a region, which never change.
struct RegionShape {
  PageRange pages;  // of the file
  size_t unit;      // bytes in a page
  bool writable;    // PROT_WRITE
  bool shared;      // MAP_SHARED
  // Whether a fault that cannot be served ends the process with SIGBUS, as in a mapping of the kernel's.
  bool kill;
  // The position of the first page on the device, modulo 2 MiB. The addresses follow it, so huge pages can be
  // mapped.
  uint64_t phase;
};

// Counts of faults. Users find out from them why a mapping is slow.
struct FaultStats {
  std::atomic<uint64_t> minor{0};    // served from what was known
  std::atomic<uint64_t> major{0};    // a block was allocated
  std::atomic<uint64_t> asked{0};    // the owner had to be asked
  std::atomic<uint64_t> hole{0};     // zeros were installed
  std::atomic<uint64_t> mkwrite{0};  // first stores to such zeros
  std::atomic<uint64_t> refused{0};
  // Durations of minor faults: [i] counts those that took less than 2^i nanoseconds and at least half of
  // that.
  std::array<std::atomic<uint64_t>, 40> nanoseconds{};
};

// Make calls that change the installed pages under the file's lock (FaultFile), and none of them after
// Retire. Make Replace without the lock, because mremap waits for the service thread, which takes that lock.
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
  // The isolate that uses the region.
  const std::shared_ptr<FaultClient>& client() const { return client_; }
  char* address() const { return address_; }
  size_t length() const { return shape_.pages.count * shape_.unit; }
  FaultStats& stats() { return stats_; }
  uint64_t PageOf(uintptr_t address) const {
    return shape_.pages.first + (address - reinterpret_cast<uintptr_t>(address_)) / shape_.unit;
  }

  char* AddressOf(uint64_t page) const { return address_ + (page - shape_.pages.first) * shape_.unit; }

  // The pages that hold `length` bytes from `offset` on.
  PageRange PagesOf(uint64_t offset, size_t length) const {
    const uint64_t first = offset / shape_.unit;
    return {shape_.pages.first + first, length == 0 ? 0 : (offset + length - 1) / shape_.unit - first + 1};
  }

  // Whether all of the pages are installed and lie one after the other from `place` on.
  bool ShowsJustSo(PageRange pages, const Place& place) const;

  // Whether the page of an event is installed already, because another event for the page came first.
  bool IsThere(uint64_t page, bool write_protected) const;
  // Whether the page is being replaced. A thread that touches it is woken afterwards, and touches it again.
  bool IsHeld(uint64_t page) const { return held_.Holds(page); }
  // The first pages of the range in which nothing is installed.
  PageRange NextGap(PageRange pages) const { return pieces_.NextGap(pages); }
  // Each of these returns 0 or -errno; -EAGAIN means the same as in Userfault.
  // Installs pages of the device: `page`, and the pages around it in which nothing is installed. The pages of
  // `around` lie one after the other from `place` on.
  int InstallDevice(uint64_t page, PageRange around, const Place& place, PageRange* installed);
  // Installs zeros. A store to them raises an event, unless they are a private mapping's `own`.
  int InstallZeros(PageRange pages, bool own);
  // Installs a copy of the page, unless something is installed there. A store to the copy raises an event.
  int InstallCopy(uint64_t page, const char* bytes);
  // Allows stores to zeros or a copy that a private mapping shows. The page is the mapping's own from now on.
  int MakeOwn(uint64_t page);
  // Makes every touch of the pages a SIGBUS from now on; a system call gets EFAULT. Does nothing to pages
  // that are being replaced.
  int Refuse(PageRange pages, int error);
  void Wake(PageRange pages);

  // Forgets the installed pages of the range, so the next event finds nothing there, and returns them. Unless
  // `even_cows`, it leaves private copies that were stored to. Call Replace with the result, and then
  // EndReplacement. Until then a thread whose touch raises an event waits, and so does a store to a private
  // mapping, because it would be lost.
  std::vector<PageRange> Release(PageRange pages, bool even_cows);
  // Releases pages that were refused. With `even_lost` it also releases refused pages that a program has seen
  // as zeros since then.
  std::vector<PageRange> ReleaseRefused(PageRange pages, bool even_lost);
  // Releases pages through which stores could reach a shared file. Lost pages stay.
  std::vector<PageRange> ReleaseStored(PageRange pages);
  // Releases copies (InstallCopy) that have not been stored to.
  std::vector<PageRange> ReleaseCopies();
  // Puts fresh reserved memory in place of the pages, each range in one step.
  void Replace(const std::vector<PageRange>& ranges);
  // Call it after the last Replace.
  void EndReplacement();
  // Makes the region show nothing of the file any more (MappedRange::Withdraw).
  void Retire();
  bool retired() const { return retired_.load(); }
  // Notes that the file has no owner any more, which is the reason for losses from now on.
  void Orphan() { untold_.store(-ESTALE); }

  // Touches each page once, for a store if stores are allowed. Returns the bytes before the first page that
  // is refused. Call it without the lock, because it faults.
  int64_t Prefault(size_t length) const;

  // Memory of a device that must be flushed.
  struct DevicePart {
    char* address;
    size_t length;
    std::shared_ptr<const Backing> backing;
  };
  std::vector<DevicePart> DeviceParts(uint64_t offset, size_t length) const;
  // The number of bytes of the range before its first lost page.
  size_t Intact(uint64_t offset, size_t length) const { return range_->BytesBeforeLoss(offset, length); }
  bool AnyLost(uint64_t offset, size_t length) const { return Intact(offset, length) < length; }

  // The pages that were lost since the last call, and the reasons: the errno of a refusal, -EROFS for a store
  // to a page that may only be read, or -EIO for an error of the medium.
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
  // The reason for the loss of a page.
  int Reason(uint64_t page) const;

  const uint64_t id_;
  const RegionShape shape_;
  const std::shared_ptr<FaultClient> client_;
  char* const address_;
  MappedRange* const range_;
  std::atomic<bool> retired_{false};
  // The errno that is reported for lost pages that were not refused one by one.
  std::atomic<int> untold_{-EIO};
  RunMap<Piece> pieces_;
  // The range that holds all pages to be replaced, from Release to EndReplacement. Events for pages in it
  // wait.
  PageRange held_{0, 0};
  FaultStats stats_;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_FAULT_REGION_H_
