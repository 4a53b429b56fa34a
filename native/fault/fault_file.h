// Owns what is known of one mapped file: its size, the places of its pages, and the regions that show it.
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

// The service thread answers faults from this knowledge without asking the owner. Pages are counted in units
// (PageRange). Only the owner's thread may make the owner's calls; none of them returns the kernel's -EAGAIN.
class FaultFile : public std::enable_shared_from_this<FaultFile> {
 public:
  static std::shared_ptr<FaultFile> Create(std::shared_ptr<FaultClient> owner, size_t unit, uint64_t size);
  ~FaultFile();
  FaultFile(const FaultFile&) = delete;
  FaultFile& operator=(const FaultFile&) = delete;

  uint64_t id() const { return id_; }
  size_t unit() const { return unit_; }

  // The owner's calls.
  // Sets the size. A smaller size takes every page past the end away from the regions, private copies too,
  // before it returns. A larger size lets pages that were refused as past the end be touched.
  void SetSize(uint64_t size);
  // Records that `pages` lie one after the other from `place` on. If another place was recorded for some of
  // them, first takes these pages away from every region (FT-9). Returns 0 or -errno.
  int Know(PageRange pages, const Place& place);
  // What is recorded of the pages: not all of them (kNothing), another place for some of them (kOtherwise),
  // or exactly these places (kJustSo).
  enum class Known { kNothing, kOtherwise, kJustSo };
  Known Compare(PageRange pages, const Place& place) const;
  // Whether some of the pages may have been stored to through shared mappings and are not known to be
  // durable.
  bool IsStored(PageRange pages) const;
  // Returns the pages of the range for which IsStored is true, and from now on notices the next store to each
  // of them. Call SetDurable when they are durable. Unless every touch is served (FaultMode::kFull), the
  // pages still count as stored to after that.
  std::vector<PageRange> TakeStored(PageRange pages);
  void SetDurable(PageRange pages);
  // Takes over the stored pages of `ended`, an earlier object of the same file that no longer has regions.
  void TakeOver(FaultFile& ended);
  // Takes the pages from every region, so the next touch asks the owner again. Private copies stay (TR-11).
  void Forget(PageRange pages);
  // Answers FaultClient::Ask. If `error` is 0, the thread touches the page again and the service looks up its
  // place; any other error refuses the touch.
  void Answer(uint64_t region, uint64_t page, bool major, int error);
  // Refuses all open questions, because the owner no longer answers.
  void AnswerNobody();
  // Answers FaultClient::Ask for a load: the region shows a copy of `bytes`, the content of the page.
  void AnswerCopy(uint64_t region, uint64_t page, const char* bytes);
  // Releases pages that were refused for an error, so the next touch of one is served again.
  void Forgive();
  // Freezes the file, so stores through shared mappings wait (MK-6), or thaws it.
  void SetFrozen(bool frozen);
  // Ends the file when its owner is gone: from now on regions show nothing of it but private copies, and
  // every other touch is refused.
  void Abandon();
  // Sets whether the owner still uses the file. Once the owner no longer uses the file, no region can be
  // added, and the file ends when its last region is gone. Returns false if the file has ended.
  bool SetWanted(bool wanted);

  // The calls of any isolate. Adds a region. Returns 0, or -ESTALE if the owner no longer uses the file.
  int Add(const std::shared_ptr<FaultRegion>& region);
  // Call it when a region is gone. Ends the file if its owner no longer uses it and no region is left.
  void Settle();
  // Installs the pages whose places are known. Returns 0 or -errno.
  int Install(FaultRegion& region, PageRange pages);
  void Close(const std::shared_ptr<FaultRegion>& region);
  // Starts to make stores through a shared region durable; they are durable after a Drain by the same thread.
  // Returns 0, or -EIO if a page of the range was lost.
  int Flush(FaultRegion& region, uint64_t offset, size_t length);
  // Waits for the flushes that this thread has started, of any file.
  static void Drain();
  // Flush, then Drain.
  int Persist(FaultRegion& region, uint64_t offset, size_t length);

  // The calls of the service thread.
  enum class Outcome {
    kServed,
    kWaiting,    // the thread waits for the owner, a thaw, or the end of a replacement
    kPostponed,  // the kernel's messages must be read first
  };
  Outcome Serve(FaultRegion& region, const FaultEvent& event);
  // Refuses questions that the owner has not answered in time, and prints a notice (TellOfWait) before it
  // does. Returns true while other questions are open.
  bool Expire(std::chrono::steady_clock::time_point now);
  void TellLosses(FaultRegion& region);

 private:
  struct Question {
    bool write;
    // The thread that touched the page first.
    uint32_t thread;
    std::chrono::steady_clock::time_point asked;
    bool told = false;
  };
  // Declare one before taking the lock, because dropping the last reference to a region takes the lock
  // (Settle).
  using Regions = std::vector<std::shared_ptr<FaultRegion>>;
  using Replacements = std::vector<std::pair<std::shared_ptr<FaultRegion>, std::vector<PageRange>>>;

  FaultFile(std::shared_ptr<FaultClient> owner, size_t unit, uint64_t size);

  uint64_t PageCount() const { return (size_ + unit_ - 1) / unit_; }
  Regions Alive() const;
  // Removes `closed`, unless it is null, and regions that were collected.
  void Drop(const std::shared_ptr<FaultRegion>& closed);
  // Makes `change` under the lock. Replaces the pages that it took away only after unlocking, because mremap
  // waits for the service thread.
  template <typename Change>
  void Revoke(Change change);
  // Ends the file if its owner no longer uses it and `regions`, the regions that are alive, is empty.
  void SettleLocked(const Regions& regions);
  int InstallLocked(FaultRegion& region, PageRange pages);
  int InstallDevice(FaultRegion& region, uint64_t page, PageRange around, const Place& place,
                    PageRange* installed);
  int ServeLocked(FaultRegion& region, uint64_t page, const FaultEvent& event, PageRange* served);
  int Ask(FaultRegion& region, uint64_t page, const FaultEvent& event);
  // Refuses the questions that were asked by `asked`. Returns true while there are others.
  bool RefuseQuestions(std::chrono::steady_clock::time_point asked, int error);
  void TellOfWaits(std::chrono::steady_clock::time_point now);
  // Returns 0 or -EAGAIN.
  int ShowCopy(uint64_t region, uint64_t page, const char* bytes);
  // `run` is the run that holds the page, or null.
  bool ShowsCopy(const FaultRegion& region, const RunMap<Place>::Run* run) const;
  static bool IsServed();

  const uint64_t id_;
  const size_t unit_;
  const std::shared_ptr<FaultClient> owner_;
  // Held while regions are replaced or retired. Taken before `mutex_`, and never by the service thread.
  std::mutex layout_;
  // Guards all members below, and the pages that are installed in the regions.
  mutable std::mutex mutex_;
  uint64_t size_;
  bool frozen_ = false;
  bool wanted_ = true;
  bool abandoned_ = false;
  RunMap<Place> places_;
  StoredPages stored_;
  // Counts how often pages were taken away from regions.
  uint64_t revision_ = 0;
  std::vector<std::weak_ptr<FaultRegion>> regions_;
  // The open questions, by region and page.
  std::map<std::pair<uint64_t, uint64_t>, Question> questions_;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_FAULT_FILE_H_
