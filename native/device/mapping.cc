#include "device/mapping.h"

#include <endian.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "sigbus/guarded_copy.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x080000
#endif

namespace dax {
namespace {

// The smallest copy in bytes whose system call takes less time than the page fault that it may save.
constexpr size_t kLeastByCall = 512;
// The most zeros that one system call writes: a block of a filesystem.
constexpr size_t kMostZerosByCall = 4096;

struct Extent {
  uint64_t length;    // the content
  uint64_t reserved;  // rounded up to the alignment
};

int Measure(const Source& source, Extent* extent) {
  uint64_t size = 0;
  if (const int error = source.Size(&size)) return error;
  if (size == 0) return -EINVAL;
  extent->length = size;
  extent->reserved = (size + source.alignment() - 1) / source.alignment() * source.alignment();
  return 0;
}

// Detects the granularity. Only a mapping that the kernel vouches for (MAP_SYNC, devdax) can do without
// msync.
Granularity DetectGranularity(const Source& source, bool map_sync, const CpuOps& cpu) {
  if (source.kind() != Kind::kDevdax && !map_sync) return Granularity::kPage;
  if (source.persistence_domain() == "cpu_cache") return Granularity::kByte;
  return strcmp(cpu.flush_instruction, "none") == 0 ? Granularity::kPage : Granularity::kCacheLine;
}

void MoveOut(const Transfer& transfer, size_t length) {
  memmove(transfer.user, transfer.device, length);
}

void MoveIn(const Transfer& transfer, size_t length) {
  StorePlain(transfer.device, transfer.user, length);
}

void MoveInFlushed(const Transfer& transfer, size_t length) {
  static_cast<const Persistence*>(transfer.context)->Store(transfer.device, transfer.user, length);
}

// A publication on its way to the device.
struct OnTheWay {
  const Persistence* persistence;
  const Publication* publication;
  char* device;
};

// Stores the whole publication, and nothing if it faulted once: then head and body are stored one by one.
void MovePublicationIn(const Transfer& transfer, size_t length) {
  const auto& [persistence, publication, device] = *static_cast<const OnTheWay*>(transfer.context);
  if (length == transfer.length) StorePublication(*persistence, *publication, device);
}

void StoreWordIn(const Transfer& transfer, size_t) {
  uint64_t word;
  memcpy(&word, transfer.user, sizeof word);
  __atomic_store_n(reinterpret_cast<uint64_t*>(transfer.device), word, __ATOMIC_RELEASE);
}

void LoadWordOut(const Transfer& transfer, size_t) {
  const uint64_t word = __atomic_load_n(reinterpret_cast<uint64_t*>(transfer.device), __ATOMIC_ACQUIRE);
  memcpy(transfer.user, &word, sizeof word);
}

}  // namespace

int Mapping::CreateShared(const std::shared_ptr<Source>& owner, std::optional<Granularity> forced,
                          std::shared_ptr<Mapping>* result) {
  const Source& source = *owner;
  Extent extent;
  if (const int error = Measure(source, &extent)) return error;
  const int protection = source.read_only() ? PROT_READ : PROT_READ | PROT_WRITE;
  // MAP_SHARED_VALIDATE, because with plain MAP_SHARED tmpfs ignores MAP_SYNC.
  bool map_sync = true;
  void* address = mmap(nullptr, extent.reserved, protection, MAP_SHARED_VALIDATE | MAP_SYNC, source.fd(), 0);
  if (address == MAP_FAILED && (errno == EOPNOTSUPP || errno == EINVAL)) {
    map_sync = false;
    address = mmap(nullptr, extent.reserved, protection, MAP_SHARED, source.fd(), 0);
  }
  if (address == MAP_FAILED) return -errno;
  const CpuOps& cpu = DetectCpu();
  const Persistence persistence(forced.value_or(DetectGranularity(source, map_sync, cpu)), cpu);
  return Adopt(owner, address, extent.length, extent.reserved, map_sync, persistence, result);
}

int Mapping::CreatePrivate(const std::shared_ptr<Source>& owner, std::shared_ptr<Mapping>* result) {
  const Source& source = *owner;
  Extent extent;
  if (const int error = Measure(source, &extent)) return error;
  // MAP_NORESERVE sets no memory aside for copies of a large device, because stores are rare.
  const int flags = MAP_PRIVATE | MAP_NORESERVE;
  void* address = mmap(nullptr, extent.reserved, PROT_READ | PROT_WRITE, flags, source.fd(), 0);
  if (address == MAP_FAILED) return -errno;
  const Persistence persistence(Granularity::kPage, DetectCpu());
  return Adopt(owner, address, extent.length, extent.reserved, false, persistence, result);
}

int Mapping::Adopt(const std::shared_ptr<Source>& source, void* address, uint64_t length,
                   uint64_t reserved_length, bool map_sync, Persistence persistence,
                   std::shared_ptr<Mapping>* result) {
  MappedRange* const range = MappedRange::Add(address, reserved_length, source->alignment());
  if (range == nullptr) {
    munmap(address, reserved_length);
    return -ENOMEM;
  }
  result->reset(new Mapping(source, static_cast<char*>(address), length, reserved_length, map_sync,
                            persistence, range));
  return 0;
}

Mapping::Mapping(std::shared_ptr<Source> source, char* address, uint64_t length, uint64_t reserved_length,
                 bool map_sync, Persistence persistence, MappedRange* range)
    : source_(std::move(source)),
      address_(address),
      length_(length),
      reserved_length_(reserved_length),
      map_sync_(map_sync),
      by_call_(source_->by_call() && source_->kind() != Kind::kDevdax &&
               persistence.granularity() == Granularity::kPage),
      persistence_(persistence),
      range_(range) {}

Mapping::~Mapping() {
  range_->Remove();
  munmap(address_, reserved_length_);
}

void Mapping::Retire() {
  if (retired_.exchange(true)) return;
  {
    const std::lock_guard<std::mutex> lock(source_mutex_);
    source_.reset();
  }
  range_->Withdraw();
}

int64_t Mapping::Settle(int64_t moved, uint64_t pos) const {
  // The user's memory faulted, such as a view of another device that was closed, and not this mapping.
  if (moved == -EFAULT) return moved;
  if (retired_.load()) return -EBADF;
  if (moved <= 0) return moved;
  const size_t intact = range_->BytesBeforeLoss(pos, static_cast<size_t>(moved));
  return intact == 0 ? -EIO : static_cast<int64_t>(intact);
}

int64_t Mapping::ReadByCall(char* target, size_t length, uint64_t pos) const {
  if (!by_call_ || length < kLeastByCall || Overlaps(target, length)) return 0;
  const std::shared_ptr<Source> source = SourceNow();
  return source ? std::max<ssize_t>(0, pread(source->fd(), target, length, static_cast<off_t>(pos))) : 0;
}

int64_t Mapping::Read(char* target, size_t length, uint64_t pos) const {
  if (length == 0) return 0;
  const size_t intact = range_->BytesBeforeLoss(pos, length);
  if (intact == 0) return -EIO;
  if (const int64_t moved = ReadByCall(target, intact, pos)) return Settle(moved, pos);
  return Settle(GuardedTransfer({address_ + pos, target, intact, MoveOut, nullptr}), pos);
}

std::shared_ptr<Source> Mapping::SourceNow() const {
  const std::lock_guard<std::mutex> lock(source_mutex_);
  return source_;
}

int64_t Mapping::WriteByCall(const char* source, size_t length, uint64_t pos) const {
  static const char zeros[kMostZerosByCall] = {};
  if (!by_call_ || length < kLeastByCall || Overlaps(source, length)) return 0;
  if (source == nullptr && length > sizeof zeros) return 0;
  const std::shared_ptr<Source> device = SourceNow();
  if (!device) return 0;
  const char* const bytes = source == nullptr ? zeros : source;
  return std::max<ssize_t>(0, pwrite(device->fd(), bytes, length, static_cast<off_t>(pos)));
}

int64_t Mapping::WriteGood(const char* source, size_t length, uint64_t pos, bool flush) const {
  const size_t intact = range_->BytesBeforeLoss(pos, length);
  if (intact == 0) return -EIO;
  // At the granularity of pages, which is the only one that writes by call, FinishPut flushes.
  if (const int64_t moved = WriteByCall(source, intact, pos)) return Settle(moved, pos);
  const auto move = flush ? MoveInFlushed : MoveIn;
  return Settle(GuardedTransfer({address_ + pos, const_cast<char*>(source), intact, move, &persistence_}),
                pos);
}

bool Mapping::Repair(const char* source, size_t length, uint64_t pos) const {
  const std::shared_ptr<Source> source_now = SourceNow();
  if (!source_now) return false;
  const Source& device = *source_now;
  const uint64_t unit = device.alignment();
  uint64_t size = 0;
  // A page past the end of a file that another process has shortened is gone, and not bad.
  if (pos % unit != 0 || length < unit || device.Size(&size) != 0 || pos + unit > size) return false;
  // A devdax has no write(); a store may repair the page there.
  if (device.kind() != Kind::kDevdax) {
    static const char zeros[4096] = {};
    const char* const bytes = source == nullptr ? zeros : source;
    if (unit > sizeof zeros ||
        pwrite(device.fd(), bytes, unit, static_cast<off_t>(pos)) != static_cast<ssize_t>(unit)) {
      return false;
    }
  }
  const int flags = map_sync_ ? MAP_SHARED_VALIDATE | MAP_SYNC : MAP_SHARED;
  const std::lock_guard<MappedRange> hold(*range_);
  if (retired_.load()) return false;
  void* const page = mmap(address_ + pos, unit, PROT_READ | PROT_WRITE, flags | MAP_FIXED, device.fd(),
                          static_cast<off_t>(pos));
  if (page == MAP_FAILED) return false;
  range_->Restore(pos, unit);
  return true;
}

int64_t Mapping::Put(const char* source, size_t length, uint64_t pos, bool flush) const {
  size_t done = 0;
  size_t repaired = SIZE_MAX;
  while (done < length) {
    const char* const rest = source == nullptr ? nullptr : source + done;
    const int64_t moved = WriteGood(rest, length - done, pos + done, flush);
    if (moved > 0) {
      done += static_cast<size_t>(moved);
      continue;
    }
    // Each page is repaired at most once.
    if (moved == -EIO && repaired != done && Repair(rest, length - done, pos + done)) {
      repaired = done;
      continue;
    }
    if (done == 0) return moved;
    break;
  }
  return static_cast<int64_t>(done);
}

int64_t Mapping::Write(const char* source, size_t length, uint64_t pos, bool flush) const {
  const int64_t done = Put(source, length, pos, flush);
  if (done < 0 || !flush) return done;
  if (const int error = FinishPut(pos, static_cast<size_t>(done))) return error;
  return done;
}

int Mapping::FinishPut(uint64_t pos, size_t length) const {
  if (granularity() == Granularity::kPage && length > 0) {
    if (const int error = persistence_.Flush(address_ + pos, length)) return error;
  }
  persistence_.Drain();
  // If the mapping was retired, the flush did not reach the device.
  return retired_.load() ? -EBADF : 0;
}

int Mapping::StoreWord(uint64_t pos, uint64_t word, bool flush) const {
  if (range_->BytesBeforeLoss(pos, sizeof word) == 0) return -EIO;
  word = htole64(word);
  auto* const user = reinterpret_cast<char*>(&word);
  const int64_t moved =
      Settle(GuardedTransfer({address_ + pos, user, sizeof word, StoreWordIn, nullptr}), pos);
  if (moved < 0) return static_cast<int>(moved);
  if (!flush) return 0;
  if (const int error = persistence_.Flush(address_ + pos, sizeof word)) return error;
  persistence_.Drain();
  return retired_.load() ? -EBADF : 0;
}

int Mapping::LoadWord(uint64_t pos, uint64_t* word) const {
  if (range_->BytesBeforeLoss(pos, sizeof *word) == 0) return -EIO;
  auto* const user = reinterpret_cast<char*>(word);
  const int64_t moved =
      Settle(GuardedTransfer({address_ + pos, user, sizeof *word, LoadWordOut, nullptr}), pos);
  if (moved < 0) return static_cast<int>(moved);
  *word = le64toh(*word);
  return 0;
}

int64_t Mapping::PutBoth(const Publication& publication) const {
  const auto& [head, body, pos, end, last_line] = publication;
  const size_t length = publication.length();
  const OnTheWay context = {&persistence_, &publication, address_ + pos};
  // What is stored begins and ends with whole lines.
  const uint64_t first = pos / kCacheLine * kCacheLine;
  const size_t lines = (pos + length + kCacheLine - 1) / kCacheLine * kCacheLine - first;
  auto* const user = const_cast<char*>(body.start);
  if (range_->BytesBeforeLoss(first, lines) == lines &&
      Settle(GuardedTransfer({address_ + first, user, lines, MovePublicationIn, &context}), first) ==
          static_cast<int64_t>(lines)) {
    return static_cast<int64_t>(length);
  }
  // A page is bad: writes the head and the body one by one, as Write does, which repairs the pages that it
  // can.
  last_line->end = LastLine::kNone;
  PutSum(head, body);
  const int64_t head_done = head.length == 0 ? 0 : Put(head.start, head.length, pos, true);
  if (head_done < static_cast<int64_t>(head.length) || body.length == 0) return head_done;
  const int64_t body_done = Put(body.start, body.length, pos + head.length, true);
  return body_done < 0 && head.length > 0 ? head_done : head_done + body_done;
}

int64_t Mapping::Publish(const Publication& publication, uint64_t word_pos, uint64_t word) const {
  const size_t length = publication.length();
  if (retired_.load()) return -EBADF;
  if (length > 0) {
    const int64_t done = PutBoth(publication);
    if (done < static_cast<int64_t>(length)) return done;
    if (const int error = FinishPut(publication.pos, length)) return error;
  }
  if (const int error = PublishWord(word_pos, word)) return error;
  return static_cast<int64_t>(length);
}

int Mapping::PublishWord(uint64_t pos, uint64_t word) const {
  if (range_->BytesBeforeLoss(pos, sizeof word) == 0) return -EIO;
  // Stores without a guard, because a guard takes as long as the store. If the page goes bad now, the store
  // goes to the zeros that replace it, as a store by JavaScript does, and the loss is found afterwards.
  persistence_.StoreWord(reinterpret_cast<uint64_t*>(address_ + pos), htole64(word));
  if (const int error = FinishPut(pos, sizeof word)) return error;
  return range_->BytesBeforeLoss(pos, sizeof word) == 0 ? -EIO : 0;
}

int Mapping::Flush(uint64_t pos, size_t length) const {
  const int error = persistence_.Flush(address_ + pos, length);
  // Losses are looked up afterwards, because the flush itself may be the access that finds a page gone.
  return range_->BytesBeforeLoss(pos, length) == length ? error : -EIO;
}

int Mapping::Invalidate(uint64_t pos, size_t length) const {
  const int error = persistence_.Invalidate(address_ + pos, length);
  return range_->BytesBeforeLoss(pos, length) == length ? error : -EIO;
}

}  // namespace dax
