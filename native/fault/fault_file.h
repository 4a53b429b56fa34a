// Owns what is known of one file: its size, where its pages lie, and through which regions it is looked at.
#ifndef NODE_DAX_NATIVE_FAULT_FILE_H_
#define NODE_DAX_NATIVE_FAULT_FILE_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "fault/fault_client.h"
#include "fault/fault_region.h"
#include "fault/stored_pages.h"
#include "fault/userfault.h"

namespace dax {

// What the owner told is served without it. Pages count in units (PageRange). The owner's calls come from its
// thread alone; -EAGAIN from the kernel never comes out of them.
class FaultFile : public std::enable_shared_from_this<FaultFile> {
 public:
  static std::shared_ptr<FaultFile> Create(std::shared_ptr<FaultClient> owner, size_t unit, uint64_t size);
  ~FaultFile();
  FaultFile(const FaultFile&) = delete;
  FaultFile& operator=(const FaultFile&) = delete;

  uint64_t id() const { return id_; }
  size_t unit() const { return unit_; }

  // The owner's.
  // Lowered, it takes every page past the end away, private copies too, before it returns; raised, it lets
  // what was refused be touched again.
  void SetSize(uint64_t size);
  // `pages` lie from `place` on. What is seen of them otherwise goes first (FT-9). 0 or -errno.
  int Know(PageRange pages, const Place& place);
  // What Know would change.
  enum class Known { kNothing, kOtherwise, kJustSo };
  Known Compare(PageRange pages, const Place& place) const;
  // Some of the pages may have been stored to through shared mappings, and are not known to be durable.
  bool IsStored(PageRange pages) const;
  // Which those are. From now on the next store to one of them is noticed again; where not every touch is
  // served they stay stored to. When they are durable: SetDurable.
  std::vector<PageRange> TakeStored(PageRange pages);
  void SetDurable(PageRange pages);
  // What may have been stored to the same file through `ended`, which has no regions any more.
  void TakeOver(FaultFile& ended);
  // Takes the pages away from every region, so that the next touch asks again. Private copies stay (TR-11).
  void Forget(PageRange pages);
  // To FaultClient::Ask. 0: look again. Otherwise the touch is refused.
  void Answer(uint64_t region, uint64_t page, bool major, int error);
  // To whatever was asked: the owner answers no more.
  void AnswerNobody();
  // To Ask for a load where a copy is shown: these are the page's bytes.
  void AnswerCopy(uint64_t region, uint64_t page, const char* bytes);
  // What was refused for an error may be touched again.
  void Forgive();
  // While it is frozen stores through shared mappings wait (MK-6).
  void SetFrozen(bool frozen);
  // The owner is gone: nothing of the file is seen from now on, private copies excepted, and every touch is
  // refused.
  void Abandon();
  // Whether the owner looks at it. What it lets go of can be attached no more, and ends with its last region.
  // True while it has not ended.
  bool SetWanted(bool wanted);

  // Any isolate's.
  // 0, or -ESTALE where its owner has let go of it.
  int Add(const std::shared_ptr<FaultRegion>& region);
  // A region is no more.
  void Settle();
  // Installs what is known of the pages. 0 or -errno.
  int Install(FaultRegion& region, PageRange pages);
  void Close(const std::shared_ptr<FaultRegion>& region);
  // Makes stores through a shared region durable. 0, or -EIO where a page of it was lost.
  int Persist(FaultRegion& region, uint64_t offset, size_t length);

  // The service thread's.
  enum class Outcome {
    kServed,
    kWaiting,    // for the owner, for a thaw, or for what is replaced
    kPostponed,  // the kernel's messages must be read first
  };
  Outcome Serve(FaultRegion& region, const FaultEvent& event);
  // Refuses what the owner did not answer in time, and tells people of it before. True while there is
  // something to wait for.
  bool Expire(std::chrono::steady_clock::time_point now);
  void TellLosses(FaultRegion& region);

 private:
  struct Question {
    bool write;
    // Of the thread that touched the page first.
    uint32_t thread;
    std::chrono::steady_clock::time_point asked;
    bool told = false;
  };
  // To be declared before the lock: a region whose last reference goes takes it (Settle).
  using Regions = std::vector<std::shared_ptr<FaultRegion>>;
  using Replacements = std::vector<std::pair<std::shared_ptr<FaultRegion>, std::vector<PageRange>>>;

  FaultFile(std::shared_ptr<FaultClient> owner, size_t unit, uint64_t size);

  uint64_t PageCount() const { return (size_ + unit_ - 1) / unit_; }
  Regions Alive() const;
  // Looks no more through `closed`, or null, and what is no more.
  void Drop(const std::shared_ptr<FaultRegion>& closed);
  // Makes a change under the lock, and replaces what it took away outside: mremap waits for the service
  // thread.
  template <typename Change>
  void Revoke(Change change);
  // Ends the file where nobody looks any more. `regions`: those that are alive.
  void SettleLocked(const Regions& regions);
  int InstallLocked(FaultRegion& region, PageRange pages);
  int InstallDevice(FaultRegion& region, uint64_t page, PageRange around, const Place& place,
                    PageRange* installed);
  int ServeLocked(FaultRegion& region, uint64_t page, const FaultEvent& event, PageRange* served);
  int Ask(FaultRegion& region, uint64_t page, const FaultEvent& event);
  // Those that were asked by then. True while there are others.
  bool RefuseQuestions(std::chrono::steady_clock::time_point asked, int error);
  void TellOfWaits(std::chrono::steady_clock::time_point now);
  // 0 or -EAGAIN.
  int ShowCopy(uint64_t region, uint64_t page, const char* bytes);
  // `run`: the one that the page is in; null.
  bool ShowsCopy(const FaultRegion& region, const RunMap<Place>::Run* run) const;
  static bool IsServed();

  const uint64_t id_;
  const size_t unit_;
  const std::shared_ptr<FaultClient> owner_;
  // Held while regions are replaced or retired. Taken before `mutex_`, and never by the service thread.
  std::mutex layout_;
  // Guards everything below, and what is installed in the regions.
  mutable std::mutex mutex_;
  uint64_t size_;
  bool frozen_ = false;
  bool wanted_ = true;
  bool abandoned_ = false;
  RunMap<Place> places_;
  StoredPages stored_;
  // Counts what was taken away from regions.
  uint64_t revision_ = 0;
  std::vector<std::weak_ptr<FaultRegion>> regions_;
  // By region and page.
  std::map<std::pair<uint64_t, uint64_t>, Question> questions_;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_FAULT_FILE_H_
