// Owns runs of pages. Everything about faults counts in units, the smallest piece that the device can map.
#ifndef NODE_DAX_NATIVE_PAGE_RANGE_H_
#define NODE_DAX_NATIVE_PAGE_RANGE_H_

#include <algorithm>
#include <cstdint>

namespace dax {

struct PageRange {
  uint64_t first;
  uint64_t count;
  uint64_t end() const { return first + count; }
  bool Holds(uint64_t page) const { return page >= first && page - first < count; }
};

// The pages that both ranges have.
inline PageRange Intersect(PageRange a, PageRange b) {
  const uint64_t first = std::max(a.first, b.first);
  const uint64_t end = std::min(a.end(), b.end());
  return {first, end > first ? end - first : 0};
}

// The smallest range that holds both.
inline PageRange Around(PageRange a, PageRange b) {
  if (a.count == 0) return b;
  const uint64_t first = std::min(a.first, b.first);
  return {first, std::max(a.end(), b.end()) - first};
}

// The part of `pages` on the side of `hole` that `page` is on.
inline PageRange OneSide(PageRange hole, uint64_t page, PageRange pages) {
  if (page < hole.first) return {pages.first, std::min(pages.end(), hole.first) - pages.first};
  const uint64_t first = std::max(pages.first, hole.end());
  return {first, pages.end() - first};
}

}  // namespace dax

#endif  // NODE_DAX_NATIVE_PAGE_RANGE_H_
