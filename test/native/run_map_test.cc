// RunMap against an array. Arguments: seed, rounds.
#include "fault/run_map.h"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <vector>

namespace {

using dax::PageRange;

constexpr uint64_t kPages = 40;

// Like a file's blocks: of two kinds, one after the other.
struct Value {
  int kind;
  uint64_t block;
  Value After(uint64_t pages) const { return {kind, kind == 0 ? 0 : block + pages}; }
  bool operator==(const Value& other) const { return kind == other.kind && block == other.block; }
};

using Map = dax::RunMap<Value>;
using Model = std::vector<std::optional<Value>>;

void Expect(bool is_right, const char* what) {
  if (is_right) return;
  fprintf(stderr, "FAILED: %s\n", what);
  exit(1);
}

void Compare(const Map& map, const Model& model, PageRange part) {
  for (uint64_t page = 0; page < kPages; page++) {
    const Map::Run* const run = map.Find(page);
    Expect((run != nullptr) == model[page].has_value(), "Find");
    if (run != nullptr) Expect(run->value.After(page - run->pages.first) == *model[page], "a value");
  }
  uint64_t page = part.first;
  for (const auto& [pages, value] : map.Overlapping(part)) {
    for (; page < pages.first; page++) Expect(!model[page], "Overlapping leaves something out");
    // As few as can be: neighbours that continue each other are one.
    Expect(
        pages.first == part.first || !model[pages.first - 1] || !(model[pages.first - 1]->After(1) == value),
        "neighbours are apart");
    for (; page < pages.end(); page++)
      Expect(page < part.end() && model[page] == value.After(page - pages.first), "Overlapping");
  }
  for (; page < part.end(); page++) Expect(!model[page], "Overlapping ends early");
  PageRange gap = {part.first, 0};
  while (gap.first < part.end() && model[gap.first]) gap.first++;
  while (gap.end() < part.end() && !model[gap.end()]) gap.count++;
  const PageRange found = map.NextGap(part);
  Expect(found.first == gap.first && found.count == gap.count, "NextGap");
  if (gap.count == 0) return;
  uint64_t first = gap.first;
  while (first > 0 && !model[first - 1]) first--;
  const PageRange around = map.GapAround(gap.first, {0, part.end()});
  Expect(around.first == first && around.end() == gap.end(), "GapAround");
}

}  // namespace

int main(int argc, char** argv) {
  std::mt19937 random(argc > 1 ? static_cast<unsigned>(atoi(argv[1])) : 1);
  const int rounds = argc > 2 ? atoi(argv[2]) : 300;
  const auto range = [&random] {
    const uint64_t first = random() % kPages;
    return PageRange{
        first, 1 + random() % (random() % 4 == 0 ? kPages - first : std::min<uint64_t>(4, kPages - first))};
  };
  Map map;
  Model model(kPages);
  for (int round = 0; round < rounds * 100; round++) {
    const PageRange pages = range();
    if (random() % 3 == 0) {
      map.Erase(pages);
      for (uint64_t page = pages.first; page < pages.end(); page++) model[page].reset();
    } else {
      // Often what continues a neighbour.
      const int kind = static_cast<int>(random() % 3);
      const Value value = {kind, kind == 0 ? 0 : pages.first + 100 * (random() % 2)};
      map.Insert(pages, value);
      for (uint64_t page = pages.first; page < pages.end(); page++)
        model[page] = value.After(page - pages.first);
    }
    Compare(map, model, range());
  }
  printf("%d rounds as an array has it\n", rounds * 100);
  return 0;
}
