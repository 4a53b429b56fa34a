// Owns the list of all mappings of the process, in which a signal handler finds the mapping of a fault, and
// the pages of them that were lost.
#ifndef NODE_DAX_NATIVE_MAPPED_RANGE_H_
#define NODE_DAX_NATIVE_MAPPED_RANGE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace dax {

// What becomes of an access that is refused outside a guarded copy.
enum class OnLoss {
  kZeros,  // private zeros take the page's place
  kKill,   // the previous handler decides, as without node-dax
};

// What becomes of a store to memory that may only be read at the moment.
enum class OnStore {
  kCopy,  // the memory stays read-only: a private copy takes the page's place
  kWait,  // the store waits until the range is unlocked, and is repeated
};

// One entry of the process-wide list. Entries are reused and never freed, because signal handlers read the
// list.
class MappedRange {
 public:
  // `unit` is the smallest piece that can be mapped again. Returns null if there is no memory.
  static MappedRange* Add(void* start, size_t length, size_t unit, OnLoss on_loss = OnLoss::kZeros,
                          OnStore on_store = OnStore::kCopy);
  // Returns null if no range holds the address. Safe in a signal handler.
  static MappedRange* Find(uintptr_t address);

  // Call it before the range is unmapped.
  void Remove();

  // Takes the memory away for good: from now on the kernel's own copies there fail with EFAULT, and loads and
  // stores of this process meet private zeros. The addresses stay reserved until the range is unmapped.
  void Withdraw();
  bool withdrawn() const { return withdrawn_.load(); }
  // Puts private zeros in place of the page that holds the address, after Withdraw. Returns false if the
  // kernel refuses. Safe in a signal handler. The kernel can then copy from that page as well, because it
  // does not know that the page was withdrawn.
  bool FillWithdrawn(uintptr_t address);

  OnLoss on_loss() const { return on_loss_; }
  OnStore on_store() const { return on_store_; }

  // Hold the lock while other memory takes the place of a page that was refused or lost, so no handler puts
  // zeros over it. A thread that holds it must not touch the range, nor wait for a thread that may.
  void lock();
  bool try_lock();
  void unlock();

  // Puts private zeros in place of the unit that holds the address, and remembers the unit as lost. Returns
  // false if the kernel refuses. The page that raised the signal may have been replaced since then: unless
  // `certain`, the first call only marks the unit, and the access is tried again. Safe in a signal handler.
  bool ReplaceWithZeros(uintptr_t address, bool certain);
  // Puts a private copy in place of a unit that may only be read, for a store to it. Otherwise as
  // ReplaceWithZeros.
  bool ReplaceWithCopy(uintptr_t address);
  // The start of the first lost unit that reaches past `offset`, or `end` if there is none before `end`.
  size_t NextLoss(size_t offset, size_t end) const;
  // Whether the unit was lost because of a store while it was read-only.
  bool IsStray(size_t offset) const;
  // Returns true once for each loss.
  bool TakeLoss(size_t offset);
  // Forgets the losses of these units, which show the mapping's memory again. Call it with the lock held.
  void Restore(size_t offset, size_t length);

  bool any_lost() const { return any_lost_.load(std::memory_order_acquire); }

  // The number of the `length` bytes from `offset` on that come before the first lost one.
  size_t BytesBeforeLoss(size_t offset, size_t length) const {
    return any_lost() ? ScanLosses(offset, length) : length;
  }

 private:
  size_t ScanLosses(size_t offset, size_t length) const;
  size_t BitmapBytes() const;
  void Remember(size_t index, uint8_t how);

  std::atomic<bool> locked_{false};
  // How often other memory took the place of a page. Guarded by the lock.
  std::atomic<uint64_t> replaced_{0};
  // Odd while the entry is being changed. A reader that finds it odd, or changed, goes on to the next entry.
  std::atomic<uint64_t> version_{0};
  std::atomic<uintptr_t> start_{0};
  std::atomic<size_t> length_{0};
  size_t unit_ = 0;
  OnLoss on_loss_ = OnLoss::kZeros;
  OnStore on_store_ = OnStore::kCopy;
  std::atomic<bool> withdrawn_{false};
  std::atomic<bool> any_refused_{false};
  std::atomic<bool> any_lost_{false};
  // Four bits for each unit. They are mapped beforehand, because a handler cannot allocate, and take no
  // memory until they are touched.
  std::atomic<uint8_t>* lost_ = nullptr;
  MappedRange* next_ = nullptr;
};

// Sets the eventfd that the handler counts losses on, so another thread can report them; -1 for none.
void SetLossListener(int event_fd);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_MAPPED_RANGE_H_
