// Owns a map from pages to values, kept as runs: two neighbours are one run if the second continues the
// first.
#ifndef NODE_DAX_NATIVE_RUN_MAP_H_
#define NODE_DAX_NATIVE_RUN_MAP_H_

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "fault/page_range.h"

namespace dax {

// Value::After(n) is the value of the page that comes n pages later. Equal values mean the same page.
template <typename Value>
class RunMap {
 public:
  struct Run {
    PageRange pages;
    Value value;  // of the first page
  };

  // The run that holds the page, or null.
  const Run* Find(uint64_t page) const {
    const auto after = runs_.upper_bound(page);
    if (after == runs_.begin()) return nullptr;
    const Run& run = std::prev(after)->second;
    return run.pages.Holds(page) ? &run : nullptr;
  }

  // The runs, or parts of runs, that lie in the range, in the order of their pages.
  std::vector<Run> Overlapping(PageRange pages) const {
    std::vector<Run> found;
    for (auto at = FirstIn(pages); at != runs_.end() && at->first < pages.end(); ++at) {
      const PageRange part = Intersect(at->second.pages, pages);
      found.push_back({part, at->second.value.After(part.first - at->first)});
    }
    return found;
  }

  // The pages around `page`, within `around`, that have no value. `page` itself must have none.
  PageRange GapAround(uint64_t page, PageRange around) const {
    uint64_t first = around.first;
    uint64_t end = around.end();
    const auto after = runs_.upper_bound(page);
    if (after != runs_.end()) end = std::min(end, after->first);
    if (after != runs_.begin()) first = std::max(first, std::prev(after)->second.pages.end());
    return {first, end - first};
  }

  // The first run of the pages that have no value; empty if all have one.
  PageRange NextGap(PageRange pages) const {
    uint64_t page = pages.first;
    for (const Run* run = Find(page); run != nullptr && page < pages.end(); run = Find(page))
      page = run->pages.end();
    return page < pages.end() ? GapAround(page, {page, pages.end() - page}) : PageRange{pages.end(), 0};
  }

  void Erase(PageRange pages) {
    for (auto at = FirstIn(pages); at != runs_.end() && at->first < pages.end();) {
      const Run run = std::move(at->second);
      at = runs_.erase(at);
      const uint64_t first = run.pages.first;
      if (first < pages.first) runs_.emplace(first, Run{{first, pages.first - first}, run.value});
      if (run.pages.end() > pages.end()) {
        const PageRange rest = {pages.end(), run.pages.end() - pages.end()};
        at = std::next(runs_.emplace(rest.first, Run{rest, run.value.After(rest.first - first)}).first);
      }
    }
  }

  // Gives the pages new values in place of any that they had. `value` is that of the first page.
  void Insert(PageRange pages, Value value) {
    Erase(pages);
    auto at = runs_.emplace(pages.first, Run{pages, std::move(value)}).first;
    if (at != runs_.begin() && Continues(std::prev(at)->second, at->second)) --at;
    while (std::next(at) != runs_.end() && Continues(at->second, std::next(at)->second)) {
      at->second.pages.count += std::next(at)->second.pages.count;
      runs_.erase(std::next(at));
    }
  }

  void Clear() { runs_.clear(); }

 private:
  typename std::map<uint64_t, Run>::iterator FirstIn(PageRange pages) {
    auto at = runs_.lower_bound(pages.first);
    return at != runs_.begin() && std::prev(at)->second.pages.end() > pages.first ? std::prev(at) : at;
  }
  typename std::map<uint64_t, Run>::const_iterator FirstIn(PageRange pages) const {
    return const_cast<RunMap*>(this)->FirstIn(pages);
  }
  static bool Continues(const Run& a, const Run& b) {
    return a.pages.end() == b.pages.first && a.value.After(a.pages.count) == b.value;
  }

  // The runs, by their first page.
  std::map<uint64_t, Run> runs_;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_RUN_MAP_H_
