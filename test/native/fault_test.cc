// The fault service with several threads: loads, stores, truncation, punching and freezing, checked against
// what must never be seen. Arguments: seed, rounds. Run it with -Dsanitize=thread too.
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "device/mapping.h"
#include "device/source.h"
#include "fault/fault_file.h"
#include "fault/fault_service.h"
#include "sigbus/fault_signals.h"
#include "sigbus/guarded_copy.h"

namespace {

std::atomic<uint64_t> bytes_flushed{0};
// What happens before the next one.
std::function<void()> at_msync;

}  // namespace

// In place of the C library's: what is made durable of a file.
extern "C" int msync(void* address, size_t length, int flags) noexcept {
  bytes_flushed += length;
  if (at_msync) std::exchange(at_msync, nullptr)();
  return static_cast<int>(syscall(SYS_msync, address, length, flags));
}

namespace {

using dax::FaultFile;
using dax::FaultRegion;
using dax::PageRange;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kFilePages = 64;
constexpr uint64_t kBlocks = 256;
// What a block holds once it is no longer the file's: nobody may ever load it through a mapping.
constexpr uint64_t kFreed = 0xdeadbeefdeadbeef;

[[noreturn]] void Fail(const char* what) {
  fprintf(stderr, "FAILED: %s\n", what);
  abort();
}

struct Question {
  uint64_t region, page;
  bool write;
};

// The thread that makes it, with a queue of its own.
class Owner final : public dax::FaultClient {
 public:
  uint32_t thread() const override { return thread_; }
  uint32_t worker() const override { return 0; }
  bool Ask(uint64_t, uint64_t region, uint64_t page, bool write, bool) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    questions_.push_back({region, page, write});
    arrived_.notify_one();
    return true;
  }
  void TellLoss(uint64_t, uint64_t, int) override {}
  bool Next(Question* question, int milliseconds) {
    std::unique_lock<std::mutex> lock(mutex_);
    arrived_.wait_for(lock, std::chrono::milliseconds(milliseconds), [this] { return !questions_.empty(); });
    if (questions_.empty()) return false;
    *question = questions_.front();
    questions_.pop_front();
    return true;
  }

 private:
  const uint32_t thread_ = static_cast<uint32_t>(syscall(SYS_gettid));
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Question> questions_;
};

// A filesystem of one file, on a device that is mapped beside it.
class Filesystem {
 public:
  explicit Filesystem(const char* path) {
    dax::SourceOptions options;
    options.create_size = kBlocks * kPage;
    std::shared_ptr<dax::Source> source;
    if (dax::Source::Open(path, options, &source) != 0) Fail("the device cannot be made");
    unlink(path);
    media_ = static_cast<char*>(
        mmap(nullptr, kBlocks * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, source->fd(), 0));
    backing_ = std::make_shared<dax::Backing>(
        dax::Backing{source, dax::Persistence(dax::Granularity::kPage, dax::DetectCpu()), false});
    for (uint64_t block = 0; block < kBlocks; block++) {
      Fill(block, kFreed);
      free_.push_back(block);
    }
    blocks_.assign(kFilePages, kBlocks);
  }

  uint64_t allocations() const { return allocations_; }
  uint64_t block(uint64_t page) const { return blocks_[page]; }
  char* media(uint64_t block) { return media_ + block * kPage; }

  void Answer(FaultFile& file, const Question& question, uint64_t size) {
    if (question.page * kPage >= size) {
      file.Answer(question.region, question.page, false, -ENXIO);
      return;
    }
    uint64_t& block = blocks_[question.page];
    if (block == kBlocks && question.write) {
      if (free_.empty()) {
        file.Answer(question.region, question.page, false, -ENOSPC);
        return;
      }
      block = free_.front();
      free_.pop_front();
      allocations_++;
      Fill(block, 0);
    }
    if (block == kBlocks) {
      file.Know({question.page, 1}, {});
    } else {
      file.Know({question.page, 1}, {backing_, block, false});
    }
    file.Answer(question.region, question.page, question.write, 0);
  }

  // After the pages are gone from every mapping.
  void Free(uint64_t from, uint64_t to) {
    for (uint64_t page = from; page < to; page++) {
      if (blocks_[page] == kBlocks) continue;
      Fill(blocks_[page], kFreed);
      free_.push_back(blocks_[page]);
      blocks_[page] = kBlocks;
    }
  }

 private:
  void Fill(uint64_t block, uint64_t value) {
    auto* words = reinterpret_cast<std::atomic<uint64_t>*>(media(block));
    for (size_t i = 0; i < kPage / 8; i++) words[i].store(value, std::memory_order_relaxed);
  }

  char* media_;
  std::shared_ptr<const dax::Backing> backing_;
  std::deque<uint64_t> free_;
  std::vector<uint64_t> blocks_;
  uint64_t allocations_ = 0;
};

// Memory that is mapped anew under whoever uses it is the point of all this, and no race to tell of.
__attribute__((no_sanitize("thread"), noinline)) void Touch(const dax::Transfer& transfer, size_t) {
  auto* const word = reinterpret_cast<volatile uint64_t*>(transfer.device);
  auto* const user = reinterpret_cast<uint64_t*>(transfer.user);
  if (transfer.context != nullptr) {
    *word = *user;
  } else {
    *user = *word;
  }
}

// One 8-byte access. 8, or -EIO where it is refused.
int64_t Access(char* address, uint64_t* value, bool store) {
  return dax::GuardedTransfer({address, reinterpret_cast<char*>(value), 8, Touch, store ? address : nullptr});
}

// Null once the file has ended.
std::shared_ptr<FaultRegion> Open(const std::shared_ptr<FaultFile>& file, const std::shared_ptr<Owner>& owner,
                                  bool shared, bool writable) {
  dax::RegionShape shape = {};
  shape.pages = {0, kFilePages};
  shape.unit = kPage;
  shape.writable = writable;
  shape.shared = shared;
  std::shared_ptr<FaultRegion> region;
  const int error = dax::FaultService::Get().Open(file, shape, owner, &region);
  if (error != 0 && error != -ESTALE) Fail("a region cannot be reserved");
  return region;
}

// Each thread stores in its own word of every page of a file of holes: every store is there afterwards, and
// every page was allocated once.
void HoleTest(const char* path, int threads) {
  Filesystem filesystem(path);
  const auto owner = std::make_shared<Owner>();
  const auto file = FaultFile::Create(owner, kPage, kFilePages * kPage);
  std::vector<std::thread> workers;
  std::atomic<int> running{threads};
  for (int id = 0; id < threads; id++) {
    workers.emplace_back([&, id] {
      const auto region = Open(file, owner, true, true);
      for (uint64_t i = 0; i < kFilePages; i++) {
        const uint64_t page = (i * 7 + static_cast<uint64_t>(id) * 13) % kFilePages;
        uint64_t value = page * 1000 + static_cast<uint64_t>(id) + 1;
        if (id % 2 == 0) {
          uint64_t before;
          Access(region->address() + page * kPage + static_cast<uint64_t>(id) * 8, &before, false);
        }
        if (Access(region->address() + page * kPage + static_cast<uint64_t>(id) * 8, &value, true) != 8)
          Fail("a store was refused");
      }
      file->Close(region);
      running--;
    });
  }
  Question question;
  while (running > 0) {
    if (owner->Next(&question, 5)) filesystem.Answer(*file, question, kFilePages * kPage);
  }
  for (std::thread& worker : workers) worker.join();
  if (filesystem.allocations() != kFilePages) Fail("a page was allocated more than once");
  for (uint64_t page = 0; page < kFilePages; page++) {
    const auto* words = reinterpret_cast<std::atomic<uint64_t>*>(filesystem.media(filesystem.block(page)));
    for (int id = 0; id < threads; id++) {
      if (words[id].load() != page * 1000 + static_cast<uint64_t>(id) + 1) Fail("a store was lost");
    }
  }
}

// Threads store to the same private pages at the same time, each in its own word: every store is there
// afterwards (FT-5). The event of one of them must not put the file's page over the copy of another.
void PrivateTest(const char* path, int threads, int rounds) {
  Filesystem filesystem(path);
  const auto owner = std::make_shared<Owner>();
  const auto file = FaultFile::Create(owner, kPage, kFilePages * kPage);
  for (uint64_t page = 0; page < kFilePages; page++)
    filesystem.Answer(*file, {0, page, true}, kFilePages * kPage);
  for (int round = 0; round < rounds; round++) {
    const auto region = Open(file, owner, false, true);
    std::atomic<int> ready{0};
    std::vector<std::thread> workers;
    for (int id = 0; id < threads; id++) {
      workers.emplace_back([&, id] {
        for (uint64_t page = 0; page < kFilePages; page++) {
          const int all = static_cast<int>(page + 1) * threads;
          for (ready++; ready < all;) sched_yield();
          uint64_t value = static_cast<uint64_t>(id) + 1;
          if (Access(region->address() + page * kPage + static_cast<uint64_t>(id) * 8, &value, true) != 8)
            Fail("a store was refused");
        }
      });
    }
    for (std::thread& worker : workers) worker.join();
    for (uint64_t page = 0; page < kFilePages; page++) {
      for (int id = 0; id < threads; id++) {
        uint64_t value = 0;
        Access(region->address() + page * kPage + static_cast<uint64_t>(id) * 8, &value, false);
        if (value != static_cast<uint64_t>(id) + 1) Fail("a private store was lost");
      }
    }
    file->Close(region);
  }
}

// The event of a store to zeros that have gone meanwhile: whoever comes again gets what is there now.
void StaleTest(const char* path) {
  Filesystem filesystem(path);
  const auto owner = std::make_shared<Owner>();
  const auto file = FaultFile::Create(owner, kPage, kFilePages * kPage);
  file->Know({0, kFilePages}, {});
  const auto region = Open(file, owner, false, true);
  uint64_t value = 0;
  Access(region->address(), &value, false);
  filesystem.Answer(*file, {0, 0, true}, kFilePages * kPage);
  *reinterpret_cast<uint64_t*>(filesystem.media(filesystem.block(0))) = 7;
  const auto address = reinterpret_cast<uintptr_t>(region->address());
  if (file->Serve(*region, {address, true, true, 0}) != FaultFile::Outcome::kServed) Fail("it waits");
  Access(region->address(), &value, false);
  if (value != 7) Fail("a page that is not there was taken for a private one");
  file->Close(region);
}

// Who asked to store just before a freeze waits for the thaw, and not for an answer in time.
void FreezeTest(const char* path) {
  Filesystem filesystem(path);
  const auto owner = std::make_shared<Owner>();
  const auto file = FaultFile::Create(owner, kPage, kFilePages * kPage);
  const auto region = Open(file, owner, true, true);
  int64_t stored = 0;
  std::thread worker([&] {
    uint64_t value = 7;
    stored = Access(region->address(), &value, true);
  });
  Question question;
  while (!owner->Next(&question, 5)) {
  }
  file->SetFrozen(true);
  file->Expire(std::chrono::steady_clock::now() + std::chrono::hours(1));
  filesystem.Answer(*file, question, kFilePages * kPage);
  file->SetFrozen(false);
  worker.join();
  if (stored != 8) Fail("a store that waited for a thaw was refused");
  if (*reinterpret_cast<uint64_t*>(filesystem.media(filesystem.block(0))) != 7) Fail("it was lost");
  file->Close(region);
}

// persist flushes stores wherever their pages are by then: in the region, taken away from it, taken by a
// flush that failed, or behind a copy while the file is frozen.
void PersistTest(const char* path) {
  Filesystem filesystem(path);
  const auto owner = std::make_shared<Owner>();
  const auto file = FaultFile::Create(owner, kPage, kFilePages * kPage);
  filesystem.Answer(*file, {0, 0, true}, kFilePages * kPage);
  const auto region = Open(file, owner, true, true);
  const auto persisted = [&] {
    const uint64_t before = bytes_flushed;
    if (file->Persist(*region, 0, kPage) != 0) Fail("what is stored cannot be made durable");
    return bytes_flushed - before;
  };
  uint64_t value = 1;
  Access(region->address(), &value, true);
  if (persisted() != kPage) Fail("a page that is there is not flushed once");
  file->Forget({0, 1});
  if (persisted() != kPage) Fail("a page that was taken away is not flushed");
  filesystem.Answer(*file, {0, 0, true}, kFilePages * kPage);
  file->SetFrozen(true);
  if (persisted() != kPage) Fail("a page of a frozen file is not flushed");
  file->SetFrozen(false);
  if (file->TakeStored({0, kFilePages}).size() != 1) Fail("what was stored is not known");
  if (persisted() != kPage) Fail("a page that somebody failed to make durable is not flushed");
  file->SetDurable({0, kFilePages});
  if (persisted() != 0) Fail("a page that is durable is flushed again");
  Access(region->address(), &value, true);
  if (persisted() != kPage) Fail("a store after that is not noticed");
  file->Close(region);
}

// A write whose device is closed after the copy, and before that is durable, was not made.
void ClosingTest(const char* path) {
  dax::SourceOptions options;
  options.create_size = kPage;
  std::shared_ptr<dax::Source> source;
  if (dax::Source::Open(path, options, &source) != 0) Fail("the device cannot be made");
  unlink(path);
  std::shared_ptr<dax::Mapping> mapping;
  if (dax::Mapping::CreateShared(source, dax::Granularity::kPage, &mapping) != 0) Fail("it cannot be mapped");
  const std::vector<char> bytes(kPage, 1);
  at_msync = [&mapping] { mapping->Retire(); };
  if (mapping->Write(bytes.data(), kPage, 0, true) != -EBADF) Fail("what was flushed nowhere is counted");
  if (at_msync) Fail("it was not flushed");
}

// Threads load, store and persist while the owner truncates, grows, punches, freezes and makes durable.
void Storm(const char* path, unsigned seed, int rounds, int threads) {
  Filesystem filesystem(path);
  const auto owner = std::make_shared<Owner>();
  const auto file = FaultFile::Create(owner, kPage, kFilePages * kPage);
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> loads{0}, stores{0}, refusals{0};
  std::vector<std::thread> workers;
  for (int id = 0; id < threads; id++) {
    workers.emplace_back([&, id] {
      std::mt19937 random(seed + static_cast<unsigned>(id));
      std::shared_ptr<FaultRegion> region;
      while (!stop) {
        if (!region || random() % 500 == 0) {
          if (region) file->Close(region);
          region = Open(file, owner, id % 4 != 3, id % 4 != 2);
          if (!region) return;
        }
        const uint64_t page = random() % kFilePages;
        char* const address = region->address() + page * kPage + static_cast<uint64_t>(id) * 8;
        uint64_t value = page;
        const bool store = id % 4 != 2 && random() % 2 == 0;
        // What was lost there is told as EIO, and the end of the file as ESTALE.
        const int error = random() % 300 == 0 ? file->Persist(*region, page * kPage, kPage) : 0;
        if (error != 0 && error != -EIO && !(error == -ESTALE && stop))
          Fail("what is stored cannot be made durable");
        if (Access(address, &value, store) != 8) {
          refusals++;
        } else if (store) {
          stores++;
        } else {
          loads++;
          if (value == kFreed) Fail("a freed block was seen");
          if (value != 0 && value != page) Fail("another page's bytes were seen");
        }
      }
      if (region) file->Close(region);
    });
  }
  std::mt19937 random(seed);
  uint64_t size = kFilePages * kPage;
  bool frozen = false;
  for (int round = 0; round < rounds; round++) {
    Question question;
    for (int i = 0; i < 20; i++) {
      if (owner->Next(&question, 1)) filesystem.Answer(*file, question, size);
    }
    switch (random() % 7) {
      case 0:
      case 1: {
        const uint64_t pages = random() % (kFilePages + 1);
        const bool shrinks = pages * kPage < size;
        size = pages * kPage;
        file->SetSize(size);
        if (shrinks) filesystem.Free(pages, kFilePages);
        break;
      }
      case 2:
      case 3: {
        const uint64_t first = random() % kFilePages;
        const uint64_t count = 1 + random() % 8;
        const uint64_t end = std::min(kFilePages, first + count);
        file->Forget({first, end - first});
        filesystem.Free(first, end);
        break;
      }
      case 4:
        frozen = !frozen;
        file->SetFrozen(frozen);
        if (frozen) {
          file->SetFrozen(false);
          frozen = false;
        }
        break;
      case 5:
        file->TakeStored({0, kFilePages});
        // Otherwise that failed, and it is due again.
        if (random() % 2 == 0) file->SetDurable({0, kFilePages});
        break;
      default:
        file->Forgive();
    }
  }
  stop = true;
  // Whoever waits is let go.
  file->Abandon();
  for (std::thread& worker : workers) worker.join();
  printf("seed %u: %d rounds, %lu loads, %lu stores, %lu refusals\n", seed, rounds, loads.load(),
         stores.load(), refusals.load());
}

}  // namespace

int main(int argc, char** argv) {
  const unsigned seed = argc > 1 ? static_cast<unsigned>(atoi(argv[1])) : 1;
  const int rounds = argc > 2 ? atoi(argv[2]) : 300;
  char path[64];
  snprintf(path, sizeof path, "/dev/shm/node-dax-fault-test-%d", getpid());
  // Every test has an end: what hangs is killed, with a core to look at.
  alarm(300);
  dax::InitializeGuards();
  dax::InstallSignalHandlers();
  ClosingTest(path);
  if (dax::Userfault::Get().mode() != dax::FaultMode::kFull) {
    printf("skipped: this process may not serve every fault\n");
    return 0;
  }
  for (int i = 0; i < 5; i++) HoleTest(path, 8);
  printf("8 threads, %lu pages of holes: every store there, every page allocated once\n", kFilePages);
  StaleTest(path);
  PersistTest(path);
  FreezeTest(path);
  PrivateTest(path, 4, rounds / 10 + 1);
  Storm(path, seed, rounds, 8);
  return 0;
}
