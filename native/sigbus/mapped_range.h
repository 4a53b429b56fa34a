// Knows every mapping of the process, so that a signal handler can tell whether a fault is in one, and
// remembers which of their pages were lost.
#ifndef NODE_DAX_NATIVE_MAPPED_RANGE_H_
#define NODE_DAX_NATIVE_MAPPED_RANGE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace dax {

// What an access that cannot be had comes to, where no copy of ours is under way.
enum class OnLoss {
  kZeros,  // private zeros take the page's place
  kKill,   // what would happen without us
};

// What a store to memory comes to that may only be read at the moment.
enum class OnStore {
  kCopy,  // it never may be stored to: a private copy takes the page's place
  kWait,  // it may be again when the range is unlocked
};

// One entry of the process-wide list. Entries are reused and never freed: the list is read inside a signal
// handler.
class MappedRange {
 public:
  // `unit` is the smallest piece that can be mapped anew. Null when there is no memory.
  static MappedRange* Add(void* start, size_t length, size_t unit, OnLoss on_loss = OnLoss::kZeros,
                          OnStore on_store = OnStore::kCopy);
  // Safe in a signal handler. Null when no range holds the address.
  static MappedRange* Find(uintptr_t address);

  // Must come before the range is unmapped.
  void Remove();

  // Takes the memory away, for good: the kernel's own copies there fail with EFAULT from now on, and loads
  // and stores of this process meet private zeros. The addresses stay taken until the range is unmapped.
  void Withdraw();
  bool withdrawn() const { return withdrawn_.load(); }
  // Puts those zeros in place of the page that holds the address; false when the kernel refuses. Safe in a
  // signal handler. The kernel may copy from that page as well then: nobody else can know it was touched.
  bool FillWithdrawn(uintptr_t address);

  OnLoss on_loss() const { return on_loss_; }
  OnStore on_store() const { return on_store_; }

  // Held while something else takes the place of what was refused or lost, so that no handler puts zeros over
  // it. Whoever holds it touches nothing in the range, and does not wait for whoever may.
  void lock();
  bool try_lock();
  void unlock();

  // Puts private zeros in place of the unit that holds the address and remembers it as lost; false when the
  // kernel refuses. What the signal told of may have been replaced since: unless `certain`, the first time
  // the access is only to be tried again. Safe in a signal handler.
  bool ReplaceWithZeros(uintptr_t address, bool certain);
  // As ReplaceWithZeros, for a store to what may only be read: a private copy takes the unit's place.
  bool ReplaceWithCopy(uintptr_t address);
  // Where the first lost unit that reaches past `offset` begins; `end` if none does before it.
  size_t NextLoss(size_t offset, size_t end) const;
  // The unit was lost to a store to what may only be read.
  bool IsStray(size_t offset) const;
  // True once for each loss.
  bool TakeLoss(size_t offset);
  // What is in place of these units is the mapping's again. To be called with the lock held.
  void Restore(size_t offset, size_t length);

  bool any_lost() const { return any_lost_.load(std::memory_order_acquire); }

  // How many of `length` bytes from `offset` come before the first lost one.
  size_t BytesBeforeLoss(size_t offset, size_t length) const {
    return any_lost() ? ScanLosses(offset, length) : length;
  }

 private:
  size_t ScanLosses(size_t offset, size_t length) const;
  size_t BitmapBytes() const;
  void Remember(size_t index, uint8_t how);

  std::atomic<bool> taken_{false};
  std::atomic<bool> locked_{false};
  // How often something else took a place. Guarded by the lock.
  std::atomic<uint64_t> replaced_{0};
  // Odd while the entry is being changed: who finds it so, or changed, looks elsewhere.
  std::atomic<uint64_t> version_{0};
  std::atomic<uintptr_t> start_{0};
  std::atomic<size_t> length_{0};
  size_t unit_ = 0;
  OnLoss on_loss_ = OnLoss::kZeros;
  OnStore on_store_ = OnStore::kCopy;
  std::atomic<bool> withdrawn_{false};
  std::atomic<bool> any_refused_{false};
  std::atomic<bool> any_lost_{false};
  // Four bits for each unit. Mapped beforehand, because a handler cannot allocate; untouched it takes no
  // memory.
  std::atomic<uint8_t>* lost_ = nullptr;
  MappedRange* next_ = nullptr;
};

// The eventfd that a loss is counted on, so that it can be told of outside the handler; -1 for none.
void SetLossListener(int event_fd);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_MAPPED_RANGE_H_
