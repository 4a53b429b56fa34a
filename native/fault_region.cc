#include "fault_region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <mutex>

#include "guarded_copy.h"
#include "userfault.h"
#include "vma_budget.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x080000
#endif

namespace dax {
namespace {

constexpr size_t kHugePage = 2 << 20;

// A file without a byte: every touch of a mapping of it is a true SIGBUS (U-4).
int EmptyFile() {
  static const int fd = memfd_create("node-dax:refused", MFD_CLOEXEC);
  return fd;
}

int MapRefusal(char* address, size_t length) {
  // Any offset is past its end; this one lets the kernel join neighbours.
  const auto offset = static_cast<off_t>(reinterpret_cast<uintptr_t>(address));
  void* const mapped =
      mmap(address, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, EmptyFile(), offset);
  return mapped == MAP_FAILED ? -errno : 0;
}

// Memory that nothing is in yet and whose every touch is an event. A forked child gets none of it: no one
// would serve it there.
int Prepare(char* address, size_t length) {
  madvise(address, length, MADV_DONTFORK);
  return Userfault::Get().Register(address, length);
}

// A page of a private mapping that was stored to is no longer the device's. /proc/self/pagemap tells a page
// of a file by bit 61, except where DAX has no struct page for it; a copy is mapped here alone (bit 56),
// because no forked child has it.
bool IsPrivateCopy(const char* address) {
  static const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  constexpr uint64_t kPresent = 1ull << 63;
  constexpr uint64_t kSwapped = 1ull << 62;
  constexpr uint64_t kOfFile = 1ull << 61;
  constexpr uint64_t kExclusive = 1ull << 56;
  uint64_t entry = 0;
  const auto index = reinterpret_cast<uintptr_t>(address) / 4096;
  // Where it cannot be known nothing is taken away: the copy is the user's.
  if (pread(pagemap, &entry, sizeof entry, static_cast<off_t>(index * sizeof entry)) != sizeof entry)
    return true;
  if ((entry & kSwapped) != 0) return true;
  return (entry & kPresent) != 0 && (entry & kOfFile) == 0 && (entry & kExclusive) != 0;
}

PageRange Around(PageRange a, PageRange b) {
  if (a.count == 0) return b;
  const uint64_t first = std::min(a.first, b.first);
  return {first, std::max(a.end(), b.end()) - first};
}

// The part of `pages` on the side of `hole` that `page` is on.
PageRange OneSide(PageRange hole, uint64_t page, PageRange pages) {
  if (page < hole.first) return {pages.first, std::min(pages.end(), hole.first) - pages.first};
  const uint64_t first = std::max(pages.first, hole.end());
  return {first, pages.end() - first};
}

std::atomic<uint64_t> next_id{1};

}  // namespace

int FaultRegion::Reserve(const RegionShape& shape, std::shared_ptr<FaultClient> client,
                         std::unique_ptr<FaultRegion>* result) {
  if (!VmaBudget::Get().Take()) return -ENOMEM;
  const size_t length = shape.pages.count * shape.unit;
  const size_t alignment = std::max(kHugePage, shape.unit);
  const int protection = shape.writable || !shape.shared ? PROT_READ | PROT_WRITE : PROT_READ;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  // More than is wanted, to cut the part out whose addresses suit.
  char* const raw = static_cast<char*>(mmap(nullptr, length + 2 * alignment, protection, flags, -1, 0));
  if (raw == MAP_FAILED) return -errno;
  const auto start = reinterpret_cast<uintptr_t>(raw);
  char* const address = raw + (alignment - start % alignment) % alignment + shape.phase % alignment;
  munmap(raw, static_cast<size_t>(address - raw));
  munmap(address + length, static_cast<size_t>(raw + length + 2 * alignment - (address + length)));
  const bool served = Userfault::Get().mode() != FaultMode::kNone;
  int error = served ? Prepare(address, length) : MapRefusal(address, length);
  MappedRange* range = nullptr;
  if (error == 0) {
    const OnStore on_store = shape.shared ? OnStore::kCopy : OnStore::kWait;
    const OnLoss on_loss = shape.kill ? OnLoss::kKill : OnLoss::kZeros;
    range = MappedRange::Add(address, length, shape.unit, on_loss, on_store);
    if (range == nullptr) error = -ENOMEM;
  }
  if (error != 0) {
    munmap(address, length);
    return error;
  }
  result->reset(new FaultRegion(shape, std::move(client), address, range));
  return 0;
}

FaultRegion::FaultRegion(const RegionShape& shape, std::shared_ptr<FaultClient> client, char* address,
                         MappedRange* range)
    : id_(next_id.fetch_add(1)),
      shape_(shape),
      client_(std::move(client)),
      address_(address),
      range_(range) {}

FaultRegion::~FaultRegion() {
  range_->Remove();
  munmap(address_, length());
}

std::map<uint64_t, FaultRegion::Piece>::const_iterator FaultRegion::Find(uint64_t page) const {
  auto found = pieces_.upper_bound(page);
  if (found == pieces_.begin()) return pieces_.end();
  --found;
  return page < found->first + found->second.count ? found : pieces_.end();
}

PageRange FaultRegion::Clip(PageRange pages) const {
  const uint64_t first = std::max(pages.first, shape_.pages.first);
  const uint64_t end = std::min(pages.end(), shape_.pages.end());
  return {first, end > first ? end - first : 0};
}

PageRange FaultRegion::GapAround(uint64_t page, PageRange around) const {
  uint64_t first = around.first;
  uint64_t end = around.end();
  const auto after = pieces_.upper_bound(page);
  if (after != pieces_.end()) end = std::min(end, after->first);
  if (after != pieces_.begin()) {
    const auto before = std::prev(after);
    first = std::max(first, before->first + before->second.count);
  }
  return {first, end - first};
}

void FaultRegion::Insert(uint64_t page, const Piece& piece) {
  auto at = pieces_.insert_or_assign(page, piece).first;
  const auto continues = [this](const std::pair<const uint64_t, Piece>& a,
                                const std::pair<const uint64_t, Piece>& b) {
    if (a.first + a.second.count != b.first || a.second.content != b.second.content) return false;
    if (a.second.error != b.second.error || a.second.backing != b.second.backing) return false;
    return a.second.content != Content::kDevice ||
           a.second.position + a.second.count * shape_.unit == b.second.position;
  };
  if (at != pieces_.begin() && continues(*std::prev(at), *at)) {
    const auto before = std::prev(at);
    before->second.count += at->second.count;
    pieces_.erase(at);
    at = before;
  }
  const auto after = std::next(at);
  if (after != pieces_.end() && continues(*at, *after)) {
    at->second.count += after->second.count;
    pieces_.erase(after);
  }
}

void FaultRegion::Erase(PageRange pages) {
  auto at = pieces_.lower_bound(pages.first);
  if (at != pieces_.begin() && std::prev(at)->first + std::prev(at)->second.count > pages.first) --at;
  while (at != pieces_.end() && at->first < pages.end()) {
    const uint64_t first = at->first;
    const Piece piece = at->second;
    at = pieces_.erase(at);
    if (first < pages.first) {
      Piece head = piece;
      head.count = pages.first - first;
      pieces_.emplace(first, head);
    }
    if (first + piece.count > pages.end()) {
      Piece tail = piece;
      tail.count = first + piece.count - pages.end();
      tail.position += (pages.end() - first) * shape_.unit;
      at = std::next(pieces_.emplace(pages.end(), tail).first);
    }
  }
}

bool FaultRegion::IsLost(uint64_t page) const {
  return AnyLost((page - shape_.pages.first) * shape_.unit, shape_.unit);
}

bool FaultRegion::IsServed(uint64_t page, bool write_protected) const {
  const auto found = Find(page);
  if (found == pieces_.end()) return false;
  const Content content = found->second.content;
  return !write_protected || (content != Content::kZeros && content != Content::kCopy);
}

PageRange FaultRegion::NextGap(PageRange pages) const {
  uint64_t page = pages.first;
  for (auto at = Find(page); at != pieces_.end() && at->first <= page; ++at)
    page = at->first + at->second.count;
  return page < pages.end() ? GapAround(page, {page, pages.end() - page}) : PageRange{pages.end(), 0};
}

int FaultRegion::InstallDevice(uint64_t page, PageRange around, const std::shared_ptr<const Backing>& backing,
                               uint64_t position, PageRange* installed) {
  const PageRange gap = OneSide(held_, page, GapAround(page, Clip(around)));
  uint64_t first = gap.first;
  uint64_t end = gap.end();
  if (range_->any_lost()) {
    // What was lost stays lost: those who looked saw zeros.
    for (first = end = page; first > gap.first && !IsLost(first - 1);) first--;
    while (end < gap.end() && (end == page || !IsLost(end))) end++;
  }
  *installed = {first, end - first};
  if (!VmaBudget::Get().Take()) return -ENOMEM;
  const uint64_t at = position + (first - around.first) * shape_.unit;
  const int protection = shape_.writable || !shape_.shared ? PROT_READ | PROT_WRITE : PROT_READ;
  const int kind = !shape_.shared      ? MAP_PRIVATE | MAP_NORESERVE
                   : backing->map_sync ? MAP_SHARED_VALIDATE | MAP_SYNC
                                       : MAP_SHARED;
  void* const mapped = mmap(AddressOf(first), (end - first) * shape_.unit, protection, kind | MAP_FIXED,
                            backing->source->fd(), static_cast<off_t>(at));
  if (mapped == MAP_FAILED) return -errno;
  if (!shape_.shared) madvise(mapped, (end - first) * shape_.unit, MADV_DONTFORK);
  Insert(first, {end - first, Content::kDevice, backing, at, 0});
  return 0;
}

int FaultRegion::InstallZeros(PageRange pages, bool own) {
  char* const address = AddressOf(pages.first);
  const size_t bytes = pages.count * shape_.unit;
  if (Userfault::Get().mode() == FaultMode::kNone) {
    const int protection = shape_.shared ? PROT_READ : PROT_READ | PROT_WRITE;
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
    if (mmap(address, bytes, protection, flags, -1, 0) == MAP_FAILED) return -errno;
  } else if (const int error = Userfault::Get().Fill(address, nullptr, bytes, !own)) {
    return error;
  }
  Insert(pages.first, {pages.count, own ? Content::kOwn : Content::kZeros, nullptr, 0, 0});
  return 0;
}

int FaultRegion::InstallCopy(uint64_t page, const char* bytes) {
  if (Find(page) != pieces_.end()) return 0;
  if (const int error = Userfault::Get().Fill(AddressOf(page), bytes, shape_.unit, true)) return error;
  Insert(page, {1, Content::kCopy, nullptr, 0, 0});
  return 0;
}

int FaultRegion::MakeOwn(uint64_t page) {
  if (const int error = Userfault::Get().Unprotect(AddressOf(page), shape_.unit)) return error;
  Erase({page, 1});
  Insert(page, {1, Content::kOwn, nullptr, 0, 0});
  return 0;
}

int FaultRegion::Refuse(PageRange pages, int error) {
  const PageRange here = Clip(pages);
  if (here.count == 0 || IsHeld(here.first)) return 0;
  stats_.refused.fetch_add(1, std::memory_order_relaxed);
  const int failed = MapRefusal(AddressOf(here.first), here.count * shape_.unit);
  if (failed != 0) return failed;
  Erase(here);
  Insert(here.first, {here.count, Content::kRefused, nullptr, 0, error});
  return 0;
}

void FaultRegion::Wake(PageRange pages) {
  const PageRange here = Clip(pages);
  if (here.count == 0 || Userfault::Get().mode() == FaultMode::kNone) return;
  Userfault::Get().Wake(AddressOf(here.first), here.count * shape_.unit);
}

namespace {

void Append(std::vector<PageRange>* ranges, PageRange more) {
  if (more.count == 0) return;
  if (!ranges->empty() && ranges->back().end() == more.first) {
    ranges->back().count += more.count;
  } else {
    ranges->push_back(more);
  }
}

}  // namespace

auto FaultRegion::Overlapping(PageRange pages) const -> std::vector<std::pair<PageRange, const Piece*>> {
  std::vector<std::pair<PageRange, const Piece*>> found;
  auto at = pieces_.upper_bound(pages.first);
  if (at != pieces_.begin()) --at;
  for (; at != pieces_.end() && at->first < pages.end(); ++at) {
    const uint64_t first = std::max(at->first, pages.first);
    const uint64_t end = std::min(at->first + at->second.count, pages.end());
    if (first < end) found.push_back({{first, end - first}, &at->second});
  }
  return found;
}

void FaultRegion::Hold(PageRange pages) {
  if (!replacing()) range_->lock();
  held_ = Around(held_, pages);
  // If the kernel has no memory for it, a store that comes just now may be lost with its page.
  if (!shape_.shared) mprotect(AddressOf(pages.first), pages.count * shape_.unit, PROT_READ);
}

void FaultRegion::Forget(const std::vector<PageRange>& ranges) {
  for (const PageRange& range : ranges) {
    // The reason goes with the piece.
    for (const auto& [page, error] : TakeLosses(range)) client_->TellLoss(id_, page, error);
    Erase(range);
  }
}

std::vector<PageRange> FaultRegion::Release(PageRange pages, bool even_cows) {
  const PageRange here = Clip(pages);
  std::vector<PageRange> released;
  if (here.count == 0) return released;
  Hold(here);
  if (even_cows || shape_.shared) {
    released.push_back(here);
  } else {
    for (const auto& [range, piece] : Overlapping(here)) {
      if (piece->content == Content::kOwn) continue;
      for (uint64_t page = range.first; page < range.end(); page++) {
        if (piece->content == Content::kDevice && IsPrivateCopy(AddressOf(page))) continue;
        Append(&released, {page, 1});
      }
    }
  }
  Forget(released);
  return released;
}

std::vector<PageRange> FaultRegion::ReleaseRefused(PageRange pages, bool even_lost) {
  return ReleaseOnly(Content::kRefused, pages, even_lost);
}

std::vector<PageRange> FaultRegion::ReleaseCopies() {
  return ReleaseOnly(Content::kCopy, shape_.pages, false);
}

std::vector<PageRange> FaultRegion::ReleaseOnly(Content content, PageRange pages, bool even_lost) {
  const PageRange here = Clip(pages);
  std::vector<PageRange> released;
  PageRange all{0, 0};
  for (const auto& [range, piece] : Overlapping(here)) {
    if (piece->content == content) all = Around(all, range);
  }
  if (all.count == 0) return released;
  Hold(all);
  for (const auto& [range, piece] : Overlapping(all)) {
    if (piece->content != content) continue;
    for (uint64_t page = range.first; page < range.end(); page++) {
      if (even_lost || !IsLost(page)) Append(&released, {page, 1});
    }
  }
  Forget(released);
  return released;
}

void FaultRegion::Replace(const std::vector<PageRange>& ranges) {
  for (const PageRange& range : ranges) {
    char* const address = AddressOf(range.first);
    const size_t length = range.count * shape_.unit;
    const bool served = Userfault::Get().mode() != FaultMode::kNone;
    // Where there is no fresh memory nothing of the file may stay in reach all the same. The whole region
    // takes fewer mappings than its parts, so that can always be had.
    if (!(served && Renew(address, length)) && MapRefusal(address, length) != 0) {
      MapRefusal(address_, this->length());
    }
    range_->Restore(static_cast<size_t>(address - address_), length);
  }
}

// U-2: memory that is registered already, moved there in one step. Waits for the service thread.
bool FaultRegion::Renew(char* address, size_t length) const {
  const int protection = shape_.writable || !shape_.shared ? PROT_READ | PROT_WRITE : PROT_READ;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  char* const fresh = static_cast<char*>(mmap(nullptr, length, protection, flags, -1, 0));
  if (fresh == MAP_FAILED) return false;
  if (Prepare(fresh, length) == 0 &&
      mremap(fresh, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, address) != MAP_FAILED) {
    return true;
  }
  munmap(fresh, length);
  return false;
}

int64_t FaultRegion::Prefault(size_t length) const {
  const auto touch = [](const Transfer& transfer, size_t bytes) {
    const size_t step = 4096;
    for (size_t offset = 0; offset < bytes; offset += step) {
      char* const byte = transfer.device + offset;
      // A store that changes nothing, whoever stores there meanwhile.
      if (transfer.context != nullptr) {
        __atomic_fetch_or(byte, 0, __ATOMIC_RELAXED);
      } else {
        *static_cast<volatile char*>(byte);
      }
    }
  };
  const void* const stores = shape_.writable ? this : nullptr;
  const int64_t reached = GuardedTransfer({address_, nullptr, length, touch, stores});
  if (reached < 0) return 0;
  // The zeros in place of a page that was lost can be touched, and are not the page.
  return std::min<int64_t>(reached, static_cast<int64_t>(range_->BytesBeforeLoss(0, length)));
}

void FaultRegion::Retire() {
  if (retired_.exchange(true)) return;
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;
  mmap(address_, length(), PROT_READ | PROT_WRITE, flags, -1, 0);
  pieces_.clear();
  Wake(shape_.pages);
}

std::vector<FaultRegion::DevicePart> FaultRegion::DeviceParts(uint64_t offset, size_t length) const {
  std::vector<DevicePart> parts;
  if (!shape_.shared || length == 0) return parts;
  const uint64_t base = shape_.pages.first * shape_.unit;
  const uint64_t end = base + offset + length;
  auto at = pieces_.upper_bound((base + offset) / shape_.unit);
  if (at != pieces_.begin()) --at;
  for (; at != pieces_.end() && at->first * shape_.unit < end; ++at) {
    if (at->second.content != Content::kDevice) continue;
    const uint64_t from = std::max(at->first * shape_.unit, base + offset);
    const uint64_t to = std::min((at->first + at->second.count) * shape_.unit, end);
    if (from >= to) continue;
    parts.push_back({address_ + (from - base), to - from, at->second.backing});
  }
  return parts;
}

int FaultRegion::Reason(uint64_t page) const {
  const auto found = Find(page);
  if (found != pieces_.end() && found->second.content == Content::kRefused) return found->second.error;
  return untold_.load();
}

void FaultRegion::EndReplacement() {
  if (!replacing()) return;
  const PageRange pages = held_;
  held_ = {0, 0};
  // A kernel that has no memory for private copies any more: better no page than one that a store waits for
  // for ever.
  if (!shape_.shared &&
      mprotect(AddressOf(pages.first), pages.count * shape_.unit, PROT_READ | PROT_WRITE) != 0) {
    Refuse(pages, -ENOMEM);
  }
  range_->unlock();
  Wake(pages);
}

std::vector<std::pair<uint64_t, int>> FaultRegion::TakeLosses(PageRange pages) {
  const PageRange here = Clip(pages);
  const size_t end = (here.end() - shape_.pages.first) * shape_.unit;
  std::vector<std::pair<uint64_t, int>> losses;
  size_t offset = (here.first - shape_.pages.first) * shape_.unit;
  for (; (offset = range_->NextLoss(offset, end)) < end; offset += shape_.unit) {
    const uint64_t page = shape_.pages.first + offset / shape_.unit;
    if (!range_->TakeLoss(offset)) continue;
    losses.emplace_back(page, range_->IsStray(offset) ? -EROFS : Reason(page));
  }
  return losses;
}

}  // namespace dax
