// Owns CRC32C (Castagnoli), by the processor's instructions where it has some.
#ifndef NODE_DAX_NATIVE_CRC32C_H_
#define NODE_DAX_NATIVE_CRC32C_H_

#include <cstddef>
#include <cstdint>

namespace dax {

// Extends a checksum (RFC 3720) by these bytes: `previous` is that of the bytes before them, or 0 if there
// are none.
uint32_t Crc32c(uint32_t previous, const void* bytes, size_t length);

// Crc32c with only CRC32 instructions, for processors without wide carry-less products, and for tests.
uint32_t Crc32cByInstruction(uint32_t previous, const void* bytes, size_t length);

// Crc32c by a table, for processors without the instruction, and for tests.
uint32_t Crc32cByTable(uint32_t previous, const void* bytes, size_t length);

}  // namespace dax

#endif  // NODE_DAX_NATIVE_CRC32C_H_
