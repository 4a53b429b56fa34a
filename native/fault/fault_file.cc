#include "fault/fault_file.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <iterator>

#include "fault/wait_notice.h"

namespace dax {
namespace {

constexpr std::chrono::seconds kPatience{60};
// Longer than an answer takes, and short enough for a person who is watching.
constexpr std::chrono::seconds kSilence{5};
constexpr uint64_t kHugePage = 2 << 20;

std::atomic<uint64_t> next_id{1};

void Count(std::atomic<uint64_t>& counter) {
  counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

std::shared_ptr<FaultFile> FaultFile::Create(std::shared_ptr<FaultClient> owner, size_t unit, uint64_t size) {
  return std::shared_ptr<FaultFile>(new FaultFile(std::move(owner), unit, size));
}

FaultFile::FaultFile(std::shared_ptr<FaultClient> owner, size_t unit, uint64_t size)
    : id_(next_id.fetch_add(1)), unit_(unit), owner_(std::move(owner)), size_(size) {}

FaultFile::~FaultFile() = default;

bool FaultFile::IsServed() {
  return Userfault::Get().mode() != FaultMode::kNone;
}

FaultFile::Regions FaultFile::Alive() const {
  Regions regions;
  for (const std::weak_ptr<FaultRegion>& weak : regions_) {
    std::shared_ptr<FaultRegion> region = weak.lock();
    if (region) regions.push_back(std::move(region));
  }
  return regions;
}

void FaultFile::Drop(const std::shared_ptr<FaultRegion>& closed) {
  const auto gone = [&closed](const std::weak_ptr<FaultRegion>& weak) {
    return weak.expired() || (!weak.owner_before(closed) && !closed.owner_before(weak));
  };
  regions_.erase(std::remove_if(regions_.begin(), regions_.end(), gone), regions_.end());
}

template <typename Change>
void FaultFile::Revoke(Change change) {
  const std::lock_guard<std::mutex> layout(layout_);
  Replacements replacements;
  {
    // Declared before the lock, because the last reference to a region may go here and unmap it.
    Regions regions;
    const std::lock_guard<std::mutex> lock(mutex_);
    regions = Alive();
    replacements = change(regions);
    const auto takes = [](const auto& replacement) { return !replacement.second.empty(); };
    if (std::any_of(replacements.begin(), replacements.end(), takes)) revision_++;
  }
  for (const auto& [region, ranges] : replacements) region->Replace(ranges);
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const auto& [region, ranges] : replacements) region->EndReplacement();
}

void FaultFile::SetSize(uint64_t size) {
  Revoke([&](const Regions& regions) {
    const uint64_t old_count = PageCount();
    size_ = size;
    const uint64_t count = PageCount();
    if (count < old_count) places_.Erase({count, UINT64_MAX - count});
    Replacements replacements;
    for (const auto& region : regions) {
      // Shrinking takes private copies too (TR-11). Growing releases pages that were refused past the old
      // end.
      replacements.emplace_back(region, count < old_count
                                            ? region->Release({count, UINT64_MAX - count}, true)
                                            : region->ReleaseRefused({old_count, count - old_count}, true));
    }
    return replacements;
  });
}

int FaultFile::Know(PageRange pages, const Place& place) {
  Revoke([&](const Regions& regions) {
    Replacements replacements;
    // Only pages whose place differs are taken away. An answer that covers more pages from the same place on
    // takes none away.
    for (const auto& [part, known] : places_.Overlapping(pages)) {
      if (known == place.After(part.first - pages.first)) continue;
      places_.Erase(part);
      for (const auto& region : regions) replacements.emplace_back(region, region->Release(part, false));
    }
    return replacements;
  });
  Regions regions;
  const std::lock_guard<std::mutex> lock(mutex_);
  // A file that has ended must not keep devices open.
  if (abandoned_) return 0;
  // The places are noted only now, so no fault is served while another region still shows the old pages.
  places_.Insert(pages, place);
  if (IsServed()) return 0;
  // Without faults the pages must be installed before they are touched.
  regions = Alive();
  int error = 0;
  for (const auto& region : regions) {
    const int failed = InstallLocked(*region, Intersect(pages, region->shape().pages));
    if (error == 0) error = failed;
  }
  return error;
}

FaultFile::Known FaultFile::Compare(PageRange pages, const Place& place) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::vector<RunMap<Place>::Run> known = places_.Overlapping(pages);
  for (const auto& [part, value] : known) {
    if (!(value == place.After(part.first - pages.first))) return Known::kOtherwise;
  }
  return known.size() == 1 && known[0].pages.count == pages.count ? Known::kJustSo : Known::kNothing;
}

bool FaultFile::IsStored(PageRange pages) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return !stored_.In(pages).empty();
}

std::vector<PageRange> FaultFile::TakeStored(PageRange pages) {
  std::vector<PageRange> stored;
  Revoke([&](const Regions& regions) {
    Replacements replacements;
    const bool noticed = Userfault::Get().mode() == FaultMode::kFull;
    for (const auto& [part, place] : stored_.In(pages)) {
      stored.push_back(part);
      if (!noticed) continue;
      for (const auto& region : regions) replacements.emplace_back(region, region->ReleaseStored(part));
    }
    if (noticed) stored_.Take(pages);
    return replacements;
  });
  return stored;
}

void FaultFile::SetDurable(PageRange pages) {
  const std::lock_guard<std::mutex> lock(mutex_);
  stored_.SetDurable(pages);
}

void FaultFile::TakeOver(FaultFile& ended) {
  const std::scoped_lock lock(mutex_, ended.mutex_);
  stored_.Add(ended.stored_);
  ended.stored_.Clear();
}

void FaultFile::Forget(PageRange pages) {
  Revoke([&](const Regions& regions) {
    Replacements replacements;
    places_.Erase(pages);
    for (const auto& region : regions) replacements.emplace_back(region, region->Release(pages, false));
    return replacements;
  });
}

void FaultFile::Forgive() {
  Revoke([&](const Regions& regions) {
    Replacements replacements;
    for (const auto& region : regions) {
      replacements.emplace_back(region, region->ReleaseRefused({0, UINT64_MAX}, false));
    }
    return replacements;
  });
}

void FaultFile::SetFrozen(bool frozen) {
  Revoke([&](const Regions& regions) {
    Replacements replacements;
    if (frozen) {
      frozen_ = true;
      // Threads that asked to store wait for the thaw, however long it takes.
      for (auto at = questions_.begin(); at != questions_.end();)
        at = at->second.write ? questions_.erase(at) : std::next(at);
    }
    for (const auto& region : regions) {
      const RegionShape& shape = region->shape();
      // Freezing takes away the pages that let stores pass, and thawing the copies in their place.
      if (!frozen) {
        replacements.emplace_back(region, region->ReleaseCopies());
      } else if (shape.shared && shape.writable) {
        replacements.emplace_back(region, region->Release(shape.pages, false));
      }
    }
    return replacements;
  });
  if (frozen) return;
  Regions regions;
  const std::lock_guard<std::mutex> lock(mutex_);
  // The file thaws only now, so no store is served while another region still shows an old copy.
  frozen_ = false;
  regions = Alive();
  for (const auto& region : regions) region->Wake(region->shape().pages);
}

void FaultFile::Answer(uint64_t region_id, uint64_t page, bool major, int error) {
  Regions regions;
  const std::lock_guard<std::mutex> lock(mutex_);
  regions = Alive();
  questions_.erase({region_id, page});
  for (const auto& region : regions) {
    if (region->id() != region_id) continue;
    if (major) Count(region->stats().major);
    if (error != 0) region->Refuse({page, 1}, error);
    region->Wake({page, 1});
  }
}

void FaultFile::AnswerNobody() {
  RefuseQuestions(std::chrono::steady_clock::time_point::max(), -ESTALE);
}

void FaultFile::AnswerCopy(uint64_t region_id, uint64_t page, const char* bytes) {
  // Tries again until the service thread has read the kernel's messages, because no page may stay partly
  // installed.
  while (ShowCopy(region_id, page, bytes) == -EAGAIN) sched_yield();
}

int FaultFile::ShowCopy(uint64_t region_id, uint64_t page, const char* bytes) {
  Regions regions;
  const std::lock_guard<std::mutex> lock(mutex_);
  regions = Alive();
  for (const auto& region : regions) {
    if (region->id() != region_id) continue;
    // If the page has changed in the meantime, the next touch finds out.
    if (ShowsCopy(*region, places_.Find(page)) && region->InstallCopy(page, bytes) == -EAGAIN) return -EAGAIN;
    region->Wake({page, 1});
  }
  questions_.erase({region_id, page});
  return 0;
}

void FaultFile::Abandon() {
  Revoke([&](const Regions& regions) {
    Replacements replacements;
    if (abandoned_) return replacements;
    abandoned_ = true;
    // No owner is left to thaw the file, or to say that a block goes to another file.
    frozen_ = false;
    questions_.clear();
    places_.Clear();
    stored_.Clear();
    for (const auto& region : regions) {
      region->Orphan();
      replacements.emplace_back(region, region->Release(region->shape().pages, false));
      // Threads that wait for an answer touch the page again, and are refused.
      region->Wake(region->shape().pages);
    }
    return replacements;
  });
}

bool FaultFile::SetWanted(bool wanted) {
  Regions regions;
  const std::lock_guard<std::mutex> lock(mutex_);
  wanted_ = wanted;
  regions = Alive();
  SettleLocked(regions);
  return !abandoned_;
}

void FaultFile::Settle() {
  Regions regions;
  const std::lock_guard<std::mutex> lock(mutex_);
  Drop(nullptr);
  regions = Alive();
  SettleLocked(regions);
}

void FaultFile::SettleLocked(const Regions& regions) {
  if (wanted_ || !regions.empty()) return;
  abandoned_ = true;
  questions_.clear();
  // Forgets the places, because they keep devices open. Remembers which pages were stored to, because they
  // are asked for later.
  places_.Clear();
  stored_.ForgetPlaces();
}

int FaultFile::Add(const std::shared_ptr<FaultRegion>& region) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!wanted_ || abandoned_) return -ESTALE;
  regions_.push_back(region);
  return 0;
}

int FaultFile::Install(FaultRegion& region, PageRange pages) {
  const std::lock_guard<std::mutex> layout(layout_);
  const std::lock_guard<std::mutex> lock(mutex_);
  return region.retired() ? 0 : InstallLocked(region, pages);
}

int FaultFile::InstallLocked(FaultRegion& region, PageRange pages) {
  for (const auto& [known, place] : places_.Overlapping(Intersect(pages, {0, PageCount()}))) {
    if (IsServed() && (!place.backing || ShowsCopy(region, places_.Find(known.first)))) continue;
    for (PageRange gap = region.NextGap(known); gap.count > 0; gap = region.NextGap(known)) {
      PageRange installed;
      const int error = place.backing ? InstallDevice(region, gap.first, known, place, &installed)
                                      : region.InstallZeros(gap, false);
      if (error != 0) return error;
    }
  }
  return 0;
}

int FaultFile::InstallDevice(FaultRegion& region, uint64_t page, PageRange around, const Place& place,
                             PageRange* installed) {
  const int error = region.InstallDevice(page, around, place, installed);
  const RegionShape& shape = region.shape();
  if (error == 0 && shape.shared && shape.writable && !place.read_only) {
    stored_.Note(*installed, place.After(installed->first - around.first));
  }
  return error;
}

void FaultFile::Close(const std::shared_ptr<FaultRegion>& region) {
  Regions regions;
  const std::lock_guard<std::mutex> layout(layout_);
  const std::lock_guard<std::mutex> lock(mutex_);
  region->Retire();
  Drop(region);
  regions = Alive();
  SettleLocked(regions);
}

int FaultFile::Flush(FaultRegion& region, uint64_t offset, size_t length) {
  const PageRange pages = region.PagesOf(offset, length);
  std::vector<FaultRegion::DevicePart> parts;
  uint64_t revision;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    // What became of the stores is no longer known.
    if (abandoned_) return -ESTALE;
    parts = region.DeviceParts(offset, length);
    revision = revision_;
  }
  int error = 0;
  for (const FaultRegion::DevicePart& part : parts) {
    const int failed = part.backing->persistence.Flush(part.address, part.length);
    if (error == 0) error = failed;
  }
  // Pages that were stored to and are not installed now, or were taken away during the flush, are flushed at
  // their places.
  std::vector<StoredPages::Run> elsewhere;
  if (region.shape().shared) {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (StoredPages::Run& run : stored_.In(pages)) {
      if (revision != revision_ || !region.ShowsJustSo(run.pages, run.value))
        elsewhere.push_back(std::move(run));
    }
  }
  for (const auto& [run, place] : elsewhere) {
    if (!place.backing) continue;
    const int failed = place.Persist(run.count, unit_);
    if (error == 0) error = failed;
  }
  // Losses are looked up afterwards, because the flush itself may be the access that finds a page gone.
  return region.AnyLost(offset, length) ? -EIO : error;
}

void FaultFile::Drain() {
  DetectCpu().fence();
}

int FaultFile::Persist(FaultRegion& region, uint64_t offset, size_t length) {
  const int error = Flush(region, offset, length);
  Drain();
  return error;
}

FaultFile::Outcome FaultFile::Serve(FaultRegion& region, const FaultEvent& event) {
  const auto start = std::chrono::steady_clock::now();
  const std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t page = region.PageOf(event.address);
  PageRange served = {page, 1};
  // A retired region is not served: the thread touches the page again and finds zeros.
  if (!region.retired() && !region.IsThere(page, event.write_protected)) {
    if (region.IsHeld(page)) return Outcome::kWaiting;
    const int error = ServeLocked(region, page, event, &served);
    if (error == -EINPROGRESS) return Outcome::kWaiting;
    if (error == -EAGAIN) return Outcome::kPostponed;
    // If the kernel has no memory for the refusal either, the thread touches the page again, which is another
    // fault, until there is memory.
    if (error != 0) region.Refuse({page, 1}, error);
  }
  region.Wake(served);
  const auto taken = std::chrono::steady_clock::now() - start;
  auto nanoseconds = static_cast<uint64_t>(std::chrono::nanoseconds(taken).count());
  size_t bucket = 0;
  for (; nanoseconds > 0; nanoseconds /= 2) bucket++;
  Count(region.stats().nanoseconds[std::min<size_t>(bucket, region.stats().nanoseconds.size() - 1)]);
  return Outcome::kServed;
}

// Returns 0 to wake the thread, -EINPROGRESS to let it wait, or another errno to refuse the touch.
int FaultFile::ServeLocked(FaultRegion& region, uint64_t page, const FaultEvent& event, PageRange* served) {
  const RegionShape& shape = region.shape();
  if (page >= PageCount()) return -ENXIO;
  // The write-protected page is gone by now, and the next touch finds no page.
  if (event.write_protected && region.NextGap({page, 1}).count > 0) return 0;
  if (event.write_protected && !shape.shared) return region.MakeOwn(page);
  const bool storing = event.write && shape.shared;
  if (frozen_ && storing) return event.thread == owner_->thread() ? -EDEADLK : -EINPROGRESS;
  if (storing && event.write_protected) Count(region.stats().mkwrite);
  const auto* const run = places_.Find(page);
  if (run == nullptr || ShowsCopy(region, run)) return Ask(region, page, event);
  const auto& [known, place] = *run;
  if (place.backing) {
    // The run covers the addresses of a huge page, so the kernel may use one.
    const uint64_t per_huge_page = std::max<uint64_t>(1, kHugePage / unit_);
    const uint64_t before = reinterpret_cast<uintptr_t>(region.AddressOf(page)) / unit_ % per_huge_page;
    const PageRange window = {page - std::min(page, before), per_huge_page};
    const PageRange around = Intersect(Intersect(window, known), {0, PageCount()});
    Count(region.stats().minor);
    const int error = InstallDevice(region, page, around, place.After(around.first - known.first), served);
    // The process has as many mappings as it may have. A piece that joins others adds none.
    if (error != -ENOMEM) return error;
    const PageRange all = Intersect(known, {0, PageCount()});
    return InstallDevice(region, page, all, place.After(all.first - known.first), served);
  }
  if (storing) return Ask(region, page, event);
  Count(region.stats().hole);
  return region.InstallZeros({page, 1}, event.write);
}

// Whether a load must show a copy of the page, because a store to the page itself would not be noticed.
bool FaultFile::ShowsCopy(const FaultRegion& region, const RunMap<Place>::Run* run) const {
  if (!region.shape().shared || !region.shape().writable) return false;
  return frozen_ || (run != nullptr && run->value.read_only);
}

int FaultFile::Ask(FaultRegion& region, uint64_t page, const FaultEvent& event) {
  if (abandoned_) return -ESTALE;
  const bool storing = event.write && region.shape().shared;
  // The waiting thread is the one that would have to answer (U-9).
  if (event.thread == owner_->thread()) return -EDEADLK;
  const auto known = questions_.find({region.id(), page});
  if (known != questions_.end() && (known->second.write || !storing)) return -EINPROGRESS;
  Count(region.stats().asked);
  questions_[{region.id(), page}] = {storing, event.thread, std::chrono::steady_clock::now()};
  if (owner_->Ask(id_, region.id(), page, storing, event.write_protected)) return -EINPROGRESS;
  questions_.erase({region.id(), page});
  return -ESTALE;
}

bool FaultFile::Expire(std::chrono::steady_clock::time_point now) {
  TellOfWaits(now);
  return RefuseQuestions(now - kPatience, -ETIMEDOUT);
}

void FaultFile::TellOfWaits(std::chrono::steady_clock::time_point now) {
  Regions regions;
  const std::lock_guard<std::mutex> lock(mutex_);
  regions = Alive();
  for (auto& [place, question] : questions_) {
    if (question.told || now - question.asked < kSilence) continue;
    question.told = true;
    for (const auto& region : regions) {
      if (region->id() != place.first) continue;
      const auto waited = std::chrono::duration_cast<std::chrono::seconds>(now - question.asked);
      TellOfWait({question.thread, *region->client(), *owner_}, waited.count(), kPatience.count());
    }
  }
}

bool FaultFile::RefuseQuestions(std::chrono::steady_clock::time_point asked, int error) {
  Regions regions;
  const std::lock_guard<std::mutex> lock(mutex_);
  regions = Alive();
  for (auto at = questions_.begin(); at != questions_.end();) {
    if (at->second.asked > asked) {
      ++at;
      continue;
    }
    for (const auto& region : regions) {
      if (region->id() != at->first.first) continue;
      region->Refuse({at->first.second, 1}, error);
      region->Wake({at->first.second, 1});
    }
    at = questions_.erase(at);
  }
  return !questions_.empty();
}

void FaultFile::TellLosses(FaultRegion& region) {
  std::vector<std::pair<uint64_t, int>> losses;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (region.retired()) return;
    losses = region.TakeLosses(region.shape().pages);
    for (auto& [page, error] : losses) {
      if (page >= PageCount()) error = -ENXIO;
    }
  }
  for (const auto& [page, error] : losses) region.client()->TellLoss(region.id(), page, error);
}

}  // namespace dax
