// Owns the stores of a publication's head and body.
#ifndef NODE_DAX_NATIVE_PUBLICATION_H_
#define NODE_DAX_NATIVE_PUBLICATION_H_

#include <cstddef>
#include <cstdint>

#include "persist/persist.h"

namespace dax {

// A range of the user's memory.
struct Bytes {
  const char* start;
  size_t length;
};

// What a publication begins with.
struct Head {
  char* start;
  size_t length;
  // Whether its first four bytes become the CRC32C (little-endian) of its other bytes and of the body. The
  // checksum continues from `seed`, as if bytes with that checksum came before them.
  bool is_summed;
  uint32_t seed;
};

// The line in which the last publication ended, as it is on the device: the next one begins there, and stores
// the line as a whole, without loading it.
struct LastLine {
  static constexpr uint64_t kNone = UINT64_MAX;

  alignas(kCacheLine) char bytes[kCacheLine];
  // The position after the last publication.
  uint64_t end = kNone;
};

// A head and the body after it, at `pos`. The bytes between the body and `end` must be free: zeros may be
// stored there. Nobody else may store to the line of `pos` or to the bytes from there to `end`.
struct Publication {
  Head head;
  Bytes body;
  uint64_t pos;
  uint64_t end;
  LastLine* last_line;

  size_t length() const { return head.length + body.length; }
};

// Puts the checksum into the head, if it is to have one.
void PutSum(const Head& head, const Bytes& body);

// Stores the head, with its checksum, and the body at `device`, which is the place of `publication.pos`. They
// are durable after a Drain, or, with kPage, after a Flush and a Drain.
void StorePublication(const Persistence& persistence, const Publication& publication, char* device);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_PUBLICATION_H_
