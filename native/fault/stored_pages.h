// Owns the pages of a file that may have been stored to through shared mappings and are not known to be
// durable.
#ifndef NODE_DAX_NATIVE_STORED_PAGES_H_
#define NODE_DAX_NATIVE_STORED_PAGES_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "device/backing.h"
#include "fault/page_range.h"
#include "fault/run_map.h"

namespace dax {

class StoredPages {
 public:
  using Run = RunMap<Place>::Run;

  // Notes that stores may go to the pages, which lie from `place` on.
  void Note(PageRange pages, const Place& place) { noted_.Insert(pages, place); }

  // The places that the stored pages of the range had when they could be stored to.
  std::vector<Run> In(PageRange pages) const {
    std::vector<Run> stored = noted_.Overlapping(pages);
    for (Run& taken : taken_.Overlapping(pages)) stored.push_back(std::move(taken));
    return stored;
  }

  // Notes that no store goes to the pages any more, and that they are being made durable.
  void Take(PageRange pages) {
    for (const auto& [part, place] : noted_.Overlapping(pages)) taken_.Insert(part, place);
    noted_.Erase(pages);
  }
  // Notes that pages that were taken are durable.
  void SetDurable(PageRange pages) { taken_.Erase(pages); }

  // Adds the pages of `other`.
  void Add(const StoredPages& other) {
    for (const auto& [part, place] : other.In({0, UINT64_MAX})) Note(part, place);
  }

  // Forgets the places, which keep devices open, but not the pages.
  void ForgetPlaces() {
    for (RunMap<Place>* const runs : {&noted_, &taken_}) {
      for (const auto& [part, place] : runs->Overlapping({0, UINT64_MAX})) runs->Insert(part, {});
    }
  }
  void Clear() {
    noted_.Clear();
    taken_.Clear();
  }

 private:
  RunMap<Place> noted_;
  RunMap<Place> taken_;
};

}  // namespace dax

#endif  // NODE_DAX_NATIVE_STORED_PAGES_H_
