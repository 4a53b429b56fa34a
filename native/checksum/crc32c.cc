#include "checksum/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

namespace dax {
namespace {

// Registers hold the inverted checksum, least significant bit first.
constexpr uint32_t kPolynomial = 0x82f63b78;

uint32_t UpdateByTable(uint32_t crc, const uint8_t* bytes, size_t length) {
  static const auto table = [] {
    std::array<uint32_t, 256> rows{};
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t row = byte;
      for (int bit = 0; bit < 8; bit++) row = (row >> 1) ^ ((row & 1) != 0 ? kPolynomial : 0);
      rows[byte] = row;
    }
    return rows;
  }();
  for (const uint8_t* const end = bytes + length; bytes != end; bytes++)
    crc = (crc >> 8) ^ table[(crc ^ *bytes) & 0xff];
  return crc;
}

#if defined(__x86_64__) || defined(__aarch64__)

#if defined(__x86_64__)
#define NODE_DAX_CRC __attribute__((target("sse4.2")))
NODE_DAX_CRC inline uint32_t Step8(uint32_t crc, uint64_t word) {
  return static_cast<uint32_t>(_mm_crc32_u64(crc, word));
}
NODE_DAX_CRC inline uint32_t Step4(uint32_t crc, uint32_t word) {
  return _mm_crc32_u32(crc, word);
}
NODE_DAX_CRC inline uint32_t Step1(uint32_t crc, uint8_t byte) {
  return _mm_crc32_u8(crc, byte);
}
bool HasInstruction() {
  return __builtin_cpu_supports("sse4.2");
}
#else
#define NODE_DAX_CRC __attribute__((target("+crc")))
NODE_DAX_CRC inline uint32_t Step8(uint32_t crc, uint64_t word) {
  return __crc32cd(crc, word);
}
NODE_DAX_CRC inline uint32_t Step4(uint32_t crc, uint32_t word) {
  return __crc32cw(crc, word);
}
NODE_DAX_CRC inline uint32_t Step1(uint32_t crc, uint8_t byte) {
  return __crc32cb(crc, byte);
}
bool HasInstruction() {
  return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}
#endif

template <typename Word>
inline Word Load(const uint8_t* bytes) {
  Word word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

// The instruction takes three cycles, and one can begin in each cycle: three lanes of this many bytes are
// computed side by side.
constexpr size_t kLane = 256;

// Gives the register after `kLane` bytes of zeros. The operation is linear, so that a table for each of the
// register's four bytes gives one part of the result, and the parts are XORed.
struct Shift {
  uint32_t rows[4][256];

  uint32_t operator()(uint32_t crc) const {
    return rows[0][crc & 0xff] ^ rows[1][(crc >> 8) & 0xff] ^ rows[2][(crc >> 16) & 0xff] ^
           rows[3][crc >> 24];
  }
};

NODE_DAX_CRC Shift MakeShift() {
  Shift shift;
  for (uint32_t lane = 0; lane < 4; lane++) {
    for (uint32_t byte = 0; byte < 256; byte++) {
      uint32_t crc = byte << (8 * lane);
      for (size_t done = 0; done < kLane; done += 8) crc = Step8(crc, 0);
      shift.rows[lane][byte] = crc;
    }
  }
  return shift;
}

NODE_DAX_CRC uint32_t UpdateByInstruction(uint32_t crc, const uint8_t* bytes, size_t length) {
  if (length >= 3 * kLane) {
    static const Shift shift = MakeShift();
    for (; length >= 3 * kLane; bytes += 3 * kLane, length -= 3 * kLane) {
      uint32_t second = 0, third = 0;
      for (size_t at = 0; at < kLane; at += 8) {
        crc = Step8(crc, Load<uint64_t>(bytes + at));
        second = Step8(second, Load<uint64_t>(bytes + kLane + at));
        third = Step8(third, Load<uint64_t>(bytes + 2 * kLane + at));
      }
      crc = shift(shift(crc) ^ second) ^ third;
    }
  }
  for (; length >= 8; bytes += 8, length -= 8) crc = Step8(crc, Load<uint64_t>(bytes));
  if (length >= 4) {
    crc = Step4(crc, Load<uint32_t>(bytes));
    bytes += 4;
    length -= 4;
  }
  for (; length > 0; bytes++, length--) crc = Step1(crc, *bytes);
  return crc;
}

#else

bool HasInstruction() {
  return false;
}

constexpr auto UpdateByInstruction = UpdateByTable;

#endif

}  // namespace

uint32_t Crc32c(uint32_t previous, const void* bytes, size_t length) {
  static const auto update = HasInstruction() ? UpdateByInstruction : UpdateByTable;
  return ~update(~previous, static_cast<const uint8_t*>(bytes), length);
}

uint32_t Crc32cByTable(uint32_t previous, const void* bytes, size_t length) {
  return ~UpdateByTable(~previous, static_cast<const uint8_t*>(bytes), length);
}

}  // namespace dax
