// Owns the places of a file's pages: a device, and a position on it.
#ifndef NODE_DAX_NATIVE_BACKING_H_
#define NODE_DAX_NATIVE_BACKING_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "device/source.h"
#include "persist/persist.h"

namespace dax {

// A device whose pages can be installed.
struct Backing {
  std::shared_ptr<const Source> source;
  Persistence persistence;
  bool map_sync;
};

// The place of a page on a device. Without a backing the page is a hole.
struct Place {
  std::shared_ptr<const Backing> backing;
  uint64_t page;   // of the device; 0 of a hole
  bool read_only;  // on a device: another file shares the page, and no store may go there

  // Makes the device's bytes there durable, by way of the device's own mapping. Returns 0 or -errno.
  int Persist(uint64_t pages, size_t unit) const;
  Place After(uint64_t pages) const { return {backing, backing ? page + pages : 0, read_only}; }
  bool operator==(const Place& other) const {
    return backing == other.backing && page == other.page && read_only == other.read_only;
  }
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_BACKING_H_
