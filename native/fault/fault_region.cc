#include "fault/fault_region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "fault/userfault.h"
#include "fault/vma_budget.h"
#include "sigbus/guarded_copy.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x080000
#endif

namespace dax {
namespace {

constexpr size_t kHugePage = 2 << 20;

// An empty file. Every touch of a mapping of it is a true SIGBUS (U-4).
int EmptyFile() {
  static const int fd = memfd_create("node-dax:refused", MFD_CLOEXEC);
  return fd;
}

int MapRefusal(char* address, size_t length) {
  // Any offset is past the end of the empty file. This one lets the kernel join neighbouring mappings.
  const auto offset = static_cast<off_t>(reinterpret_cast<uintptr_t>(address));
  void* const mapped =
      mmap(address, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, EmptyFile(), offset);
  return mapped == MAP_FAILED ? -errno : 0;
}

// Prepares memory in which nothing is installed, so every touch raises an event. A forked child gets none of
// it, because no thread would serve its faults there.
int Prepare(char* address, size_t length) {
  madvise(address, length, MADV_DONTFORK);
  return Userfault::Get().Register(address, length);
}

// Whether a page of a private mapping was stored to, so it is no longer the device's. In /proc/self/pagemap
// bit 61 marks a page of a file, except where DAX has no struct page for it. A copy is mapped by this process
// alone (bit 56), because no forked child has it.
bool IsPrivateCopy(const char* address) {
  static const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  constexpr uint64_t kPresent = 1ull << 63;
  constexpr uint64_t kSwapped = 1ull << 62;
  constexpr uint64_t kOfFile = 1ull << 61;
  constexpr uint64_t kExclusive = 1ull << 56;
  uint64_t entry = 0;
  const auto index = reinterpret_cast<uintptr_t>(address) / 4096;
  // If that cannot be read, the page counts as a copy, which is the user's and must not be taken away.
  if (pread(pagemap, &entry, sizeof entry, static_cast<off_t>(index * sizeof entry)) != sizeof entry)
    return true;
  if ((entry & kSwapped) != 0) return true;
  return (entry & kPresent) != 0 && (entry & kOfFile) == 0 && (entry & kExclusive) != 0;
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
  // Reserves more than is needed, and keeps the part with suitable addresses.
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

bool FaultRegion::IsLost(uint64_t page) const {
  return AnyLost((page - shape_.pages.first) * shape_.unit, shape_.unit);
}

bool FaultRegion::ShowsJustSo(PageRange pages, const Place& place) const {
  const std::vector<RunMap<Piece>::Run> shown = pieces_.Overlapping(pages);
  return shown.size() == 1 && shown[0].pages.count == pages.count &&
         shown[0].value == Piece{Content::kDevice, place, 0};
}

bool FaultRegion::IsThere(uint64_t page, bool write_protected) const {
  const auto* const found = pieces_.Find(page);
  if (found == nullptr) return false;
  const Content content = found->value.content;
  return !write_protected || (content != Content::kZeros && content != Content::kCopy);
}

int FaultRegion::InstallDevice(uint64_t page, PageRange around, const Place& place, PageRange* installed) {
  const PageRange gap = OneSide(held_, page, pieces_.GapAround(page, Clip(around)));
  uint64_t first = gap.first;
  uint64_t end = gap.end();
  if (range_->any_lost()) {
    // A lost page stays lost, because a program has seen zeros there.
    for (first = end = page; first > gap.first && !IsLost(first - 1);) first--;
    while (end < gap.end() && (end == page || !IsLost(end))) end++;
  }
  *installed = {first, end - first};
  const PageRange whole = pieces_.GapAround(page, shape_.pages);
  // A mapping that fills the whole gap replaces the one that is there, and needs no more of the budget.
  const bool fills = first == whole.first && end == whole.end();
  if (!fills && !VmaBudget::Get().Take()) return -ENOMEM;
  const Place at = place.After(first - around.first);
  const bool stores = !shape_.shared || (shape_.writable && !at.read_only);
  const int protection = stores ? PROT_READ | PROT_WRITE : PROT_READ;
  const int kind = !shape_.shared         ? MAP_PRIVATE | MAP_NORESERVE
                   : at.backing->map_sync ? MAP_SHARED_VALIDATE | MAP_SYNC
                                          : MAP_SHARED;
  void* const mapped = mmap(AddressOf(first), (end - first) * shape_.unit, protection, kind | MAP_FIXED,
                            at.backing->source->fd(), static_cast<off_t>(at.page * shape_.unit));
  if (mapped == MAP_FAILED) return -errno;
  if (!shape_.shared) madvise(mapped, (end - first) * shape_.unit, MADV_DONTFORK);
  pieces_.Insert(*installed, {Content::kDevice, at, 0});
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
  pieces_.Insert(pages, {own ? Content::kOwn : Content::kZeros, {}, 0});
  return 0;
}

int FaultRegion::InstallCopy(uint64_t page, const char* bytes) {
  if (pieces_.Find(page) != nullptr) return 0;
  if (const int error = Userfault::Get().Fill(AddressOf(page), bytes, shape_.unit, true)) return error;
  pieces_.Insert({page, 1}, {Content::kCopy, {}, 0});
  return 0;
}

int FaultRegion::MakeOwn(uint64_t page) {
  if (const int error = Userfault::Get().Unprotect(AddressOf(page), shape_.unit)) return error;
  pieces_.Insert({page, 1}, {Content::kOwn, {}, 0});
  return 0;
}

int FaultRegion::Refuse(PageRange pages, int error) {
  const PageRange here = Clip(pages);
  if (here.count == 0 || IsHeld(here.first)) return 0;
  stats_.refused.fetch_add(1, std::memory_order_relaxed);
  const int failed = MapRefusal(AddressOf(here.first), here.count * shape_.unit);
  if (failed != 0) return failed;
  pieces_.Insert(here, {Content::kRefused, {}, error});
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

void FaultRegion::Hold(PageRange pages) {
  if (!replacing()) range_->lock();
  held_ = Around(held_, pages);
  // If the kernel has no memory for this, a store that comes now may be lost with its page.
  if (!shape_.shared) mprotect(AddressOf(pages.first), pages.count * shape_.unit, PROT_READ);
}

void FaultRegion::Forget(const std::vector<PageRange>& ranges) {
  for (const PageRange& range : ranges) {
    // Losses are reported now, because their reasons are erased with the piece.
    for (const auto& [page, error] : TakeLosses(range)) client_->TellLoss(id_, page, error);
    pieces_.Erase(range);
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
    for (const auto& [range, piece] : pieces_.Overlapping(here)) {
      if (piece.content == Content::kOwn) continue;
      for (uint64_t page = range.first; page < range.end(); page++) {
        if (piece.content == Content::kDevice && IsPrivateCopy(AddressOf(page))) continue;
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

std::vector<PageRange> FaultRegion::ReleaseStored(PageRange pages) {
  if (!shape_.shared || !shape_.writable) return {};
  return ReleaseOnly(Content::kDevice, pages, false);
}

std::vector<PageRange> FaultRegion::ReleaseCopies() {
  return ReleaseOnly(Content::kCopy, shape_.pages, false);
}

std::vector<PageRange> FaultRegion::ReleaseOnly(Content content, PageRange pages, bool even_lost) {
  const PageRange here = Clip(pages);
  std::vector<PageRange> released;
  PageRange all{0, 0};
  for (const auto& [range, piece] : pieces_.Overlapping(here)) {
    if (piece.content == content) all = Around(all, range);
  }
  if (all.count == 0) return released;
  Hold(all);
  for (const auto& [range, piece] : pieces_.Overlapping(all)) {
    if (piece.content != content) continue;
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
    // Without fresh memory, refuses the range or, if that fails, the whole region, because no page of the
    // file may stay accessible. One refusal takes fewer mappings than the region's parts, and so is always
    // possible.
    if (!(served && Renew(address, length)) && MapRefusal(address, length) != 0) {
      MapRefusal(address_, this->length());
    }
    range_->Restore(static_cast<size_t>(address - address_), length);
  }
}

// Moves fresh memory, registered beforehand (U-2), to `address` in one step. Waits for the service thread.
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
      // This store changes nothing, even if another thread stores there at the same time.
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
  // A lost page can be touched, but shows zeros and not the page.
  return std::min<int64_t>(reached, static_cast<int64_t>(range_->BytesBeforeLoss(0, length)));
}

void FaultRegion::Retire() {
  if (retired_.exchange(true)) return;
  range_->Withdraw();
  pieces_.Clear();
  Wake(shape_.pages);
}

std::vector<FaultRegion::DevicePart> FaultRegion::DeviceParts(uint64_t offset, size_t length) const {
  std::vector<DevicePart> parts;
  if (!shape_.shared || length == 0) return parts;
  const uint64_t end = offset + length;
  for (const auto& [range, piece] : pieces_.Overlapping(PagesOf(offset, length))) {
    if (piece.content != Content::kDevice) continue;
    const uint64_t start = (range.first - shape_.pages.first) * shape_.unit;
    const uint64_t from = std::max(start, offset);
    const uint64_t to = std::min(start + range.count * shape_.unit, end);
    parts.push_back({address_ + from, to - from, piece.place.backing});
  }
  return parts;
}

int FaultRegion::Reason(uint64_t page) const {
  const auto* const found = pieces_.Find(page);
  if (found != nullptr && found->value.content == Content::kRefused) return found->value.error;
  return untold_.load();
}

void FaultRegion::EndReplacement() {
  if (!replacing()) return;
  const PageRange pages = held_;
  held_ = {0, 0};
  // The kernel has no memory for private copies any more. The page is refused, because a store to it would
  // wait for ever.
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
