// Compares CRC32C by the processor's instructions with CRC32C by a table, for buffers of any length at any
// address, whole and in two parts. Argument: the seed.
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "checksum/crc32c.h"

int main(int argc, char** argv) {
  std::mt19937 random(argc > 1 ? static_cast<unsigned>(atoi(argv[1])) : 1);
  std::vector<unsigned char> bytes(6000);
  for (unsigned char& byte : bytes) byte = static_cast<unsigned char>(random());
  for (size_t length = 0; length < 5000; length += 1 + random() % 7) {
    const unsigned char* const start = bytes.data() + random() % 16;
    const size_t border = random() % (length + 1);
    const uint32_t expected = dax::Crc32cByTable(0, start, length);
    const uint32_t whole = dax::Crc32c(0, start, length);
    const uint32_t parts = dax::Crc32c(dax::Crc32c(0, start, border), start + border, length - border);
    const uint32_t narrow = dax::Crc32cByInstruction(0, start, length);
    if (whole != expected || parts != expected || narrow != expected) {
      fprintf(stderr, "%zu bytes, cut at %zu: %08x by a table, %08x, %08x in parts, %08x by CRC32 alone\n",
              length, border, expected, whole, parts, narrow);
      return 1;
    }
  }
  printf("the same by a table\n");
  return 0;
}
