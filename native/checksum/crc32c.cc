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
// gcc counts the instruction to SSE 4.2, clang apart from it.
#if defined(__clang__)
#define NODE_DAX_CRC __attribute__((target("sse4.2,crc32")))
#else
#define NODE_DAX_CRC __attribute__((target("sse4.2")))
#endif
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

// Returns the register after `kLane` bytes of zeros. The operation is linear: a table for each of the
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

#if defined(__x86_64__)

#define NODE_DAX_FOLD __attribute__((target("sse4.2,avx512f,vpclmulqdq")))

constexpr size_t kBlock = sizeof(__m512i);
constexpr size_t kBlocks = 4 * kBlock;

// The factors that move each 16 bytes of a register over `bytes` bytes of message: x^(8 * bytes + 32) for the
// first eight of them and x^(8 * bytes - 32) for the others, modulo the polynomial and shifted by the one bit
// that a product of two reflected factors lacks.
NODE_DAX_FOLD __m512i MakeFactors(size_t bytes) {
  const auto power = [](size_t exponent) {
    uint32_t value = 0x80000000;
    for (; exponent > 0; exponent--) value = (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
    return static_cast<long long>(uint64_t{value} << 1);
  };
  const long long lo = power(8 * bytes + 32), hi = power(8 * bytes - 32);
  return _mm512_set4_epi64(hi, lo, hi, lo);
}

// Returns a block with the same checksum as `before` followed by `block`, with `before` moved by the factors.
NODE_DAX_FOLD inline __m512i Fold(__m512i before, __m512i factors, __m512i block) {
  const __m512i first = _mm512_clmulepi64_epi128(before, factors, 0x00);
  const __m512i second = _mm512_clmulepi64_epi128(before, factors, 0x11);
  return _mm512_ternarylogic_epi64(first, second, block, 0x96);
}

NODE_DAX_FOLD inline __m512i LoadBlock(const uint8_t* bytes) {
  return _mm512_loadu_si512(bytes);
}

// Carry-less products process 64 bytes in a step, where the CRC instruction processes eight, as in Gopal et
// al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ Instruction". The CRC instruction
// processes the rest.
NODE_DAX_FOLD uint32_t UpdateByProducts(uint32_t crc, const uint8_t* bytes, size_t length) {
  if (length < kBlocks) return UpdateByInstruction(crc, bytes, length);
  static const __m512i over_one = MakeFactors(kBlock), over_all = MakeFactors(kBlocks);
  __m512i a =
      _mm512_xor_si512(LoadBlock(bytes), _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(crc))));
  __m512i b = LoadBlock(bytes + kBlock), c = LoadBlock(bytes + 2 * kBlock), d = LoadBlock(bytes + 3 * kBlock);
  for (bytes += kBlocks, length -= kBlocks; length >= kBlocks; bytes += kBlocks, length -= kBlocks) {
    a = Fold(a, over_all, LoadBlock(bytes));
    b = Fold(b, over_all, LoadBlock(bytes + kBlock));
    c = Fold(c, over_all, LoadBlock(bytes + 2 * kBlock));
    d = Fold(d, over_all, LoadBlock(bytes + 3 * kBlock));
  }
  d = Fold(Fold(Fold(a, over_one, b), over_one, c), over_one, d);
  for (; length >= kBlock; bytes += kBlock, length -= kBlock) d = Fold(d, over_one, LoadBlock(bytes));
  uint8_t left[kBlock];
  _mm512_storeu_si512(left, d);
  return UpdateByInstruction(UpdateByInstruction(0, left, kBlock), bytes, length);
}

bool HasProducts() {
  return HasInstruction() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
}

#endif

#else

bool HasInstruction() {
  return false;
}

constexpr auto UpdateByInstruction = UpdateByTable;

#endif

auto FastestUpdate() {
#if defined(__x86_64__)
  if (HasProducts()) return UpdateByProducts;
#endif
  return HasInstruction() ? UpdateByInstruction : UpdateByTable;
}

}  // namespace

uint32_t Crc32c(uint32_t previous, const void* bytes, size_t length) {
  static const auto update = FastestUpdate();
  return ~update(~previous, static_cast<const uint8_t*>(bytes), length);
}

uint32_t Crc32cByInstruction(uint32_t previous, const void* bytes, size_t length) {
  if (!HasInstruction()) return Crc32cByTable(previous, bytes, length);
  return ~UpdateByInstruction(~previous, static_cast<const uint8_t*>(bytes), length);
}

uint32_t Crc32cByTable(uint32_t previous, const void* bytes, size_t length) {
  return ~UpdateByTable(~previous, static_cast<const uint8_t*>(bytes), length);
}

}  // namespace dax
