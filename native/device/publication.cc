#include "device/publication.h"

#include <endian.h>

#include <algorithm>
#include <cstring>

#include "checksum/crc32c.h"

namespace dax {
namespace {

constexpr size_t kChecksum = sizeof(uint32_t);

// Stores bytes one after the other by whole lines. A line that is stored in part would have to be loaded from
// the memory first, which takes longer than all the rest.
class LineWriter {
 public:
  // `filled` bytes of the line are there already.
  LineWriter(const Persistence& persistence, char* line, char* bytes, size_t filled)
      : persistence_(persistence), line_(line), bytes_(bytes), filled_(filled) {}

  void Put(const char* source, size_t length) {
    const size_t first = std::min(kCacheLine - filled_, length);
    if (first > 0) memcpy(bytes_ + filled_, source, first);
    filled_ += first;
    if (filled_ < kCacheLine) return;
    persistence_.StreamLines(line_, bytes_, kCacheLine);
    const size_t whole = (length - first) / kCacheLine * kCacheLine;
    persistence_.StreamLines(line_ + kCacheLine, source + first, whole);
    line_ += kCacheLine + whole;
    filled_ = length - first - whole;
    if (filled_ > 0) memcpy(bytes_, source + first + whole, filled_);
  }

  // `room` is how many of the bytes that follow may become zeros.
  void Finish(uint64_t room) {
    if (filled_ == 0) return;
    if (kCacheLine - filled_ <= room) {
      memset(bytes_ + filled_, 0, kCacheLine - filled_);
      persistence_.StreamLines(line_, bytes_, kCacheLine);
    } else {
      StorePlain(line_, bytes_, filled_);
      persistence_.Flush(line_, filled_);
    }
  }

 private:
  const Persistence& persistence_;
  char* line_;
  char* const bytes_;
  size_t filled_;
};

}  // namespace

void PutSum(const Head& head, const Bytes& body) {
  if (!head.is_summed) return;
  const uint32_t before = Crc32c(head.seed, head.start + kChecksum, head.length - kChecksum);
  const uint32_t sum = htole32(body.length > 0 ? Crc32c(before, body.start, body.length) : before);
  memcpy(head.start, &sum, sizeof sum);
}

void StorePublication(const Persistence& persistence, const Publication& publication, char* device) {
  const auto& [head, body, pos, end, last_line] = publication;
  const size_t length = publication.length();
  const bool is_next = last_line->end == pos;
  // Until everything is stored, the content of the line is unknown.
  last_line->end = LastLine::kNone;
  PutSum(head, body);
  if (!persistence.streams() || Overlap(device, body.start, length + kCacheLine)) {
    // The body first, because it may lie where the head goes.
    if (body.length > 0) StorePlain(device + head.length, body.start, body.length);
    StorePlain(device, head.start, head.length);
    if (persistence.granularity() == Granularity::kCacheLine) persistence.Flush(device, length);
    return;
  }
  const size_t filled = reinterpret_cast<uintptr_t>(device) % kCacheLine;
  char* const line = device - filled;
  if (!is_next) memcpy(last_line->bytes, line, filled);
  LineWriter writer(persistence, line, last_line->bytes, filled);
  writer.Put(head.start, head.length);
  writer.Put(body.start, body.length);
  writer.Finish(end > pos + length ? end - pos - length : 0);
  last_line->end = pos + length;
}

}  // namespace dax
