// Owns the tables that QEMU makes for NVDIMMs only: an NFIT of volatile ranges, and an SSDT with the device of the NFIT.

const HEADER_LENGTH = 36;
const NFIT_RESERVED = 4;
const RANGE_LENGTH = 56;

// Volatile memory: 7305944f-fdda-44e3-b16c-3f22d252e5d0, with the mixed byte order of ACPI.
const VOLATILE = Buffer.from('4f940573dafde344b16c3f22d252e5d0', 'hex');
const WRITE_BACK = 8n;

// Scope (\\_SB) { Device (NVDR) { Name (_HID, "ACPI0012") } }
const ROOT_DEVICE = Buffer.concat([
  Buffer.from([0x10, 28]), Buffer.from('\\_SB_'),
  Buffer.from([0x5b, 0x82, 20]), Buffer.from('NVDR'),
  Buffer.from([0x08]), Buffer.from('_HID'), Buffer.from([0x0d]), Buffer.from('ACPI0012\0'),
]);

/** Both tables, for volatile memory at these physical addresses. */
export function volatileTables(ranges: readonly { readonly start: number; readonly size: number }[]): Buffer[] {
  const structures = ranges.map(({ start, size }, index) => systemPhysicalRange(index + 1, start, size));
  return [table('SSDT', 2, ROOT_DEVICE), table('NFIT', 1, Buffer.concat([Buffer.alloc(NFIT_RESERVED), ...structures]))];
}

function systemPhysicalRange(index: number, start: number, size: number): Buffer {
  const range = Buffer.alloc(RANGE_LENGTH);
  range.writeUInt16LE(RANGE_LENGTH, 2);
  range.writeUInt16LE(index, 4);
  VOLATILE.copy(range, 16);
  range.writeBigUInt64LE(BigInt(start), 32);
  range.writeBigUInt64LE(BigInt(size), 40);
  range.writeBigUInt64LE(WRITE_BACK, 48);
  return range;
}

function table(signature: string, revision: number, body: Buffer): Buffer {
  const bytes = Buffer.concat([Buffer.alloc(HEADER_LENGTH), body]);
  bytes.write(signature, 0, 'latin1');
  bytes.writeUInt32LE(bytes.length, 4);
  bytes.writeUInt8(revision, 8);
  bytes.write('NODDAXNODE-DAX', 10, 'latin1');
  bytes.writeUInt32LE(1, 24);
  bytes.write('NDAX', 28, 'latin1');
  bytes.writeUInt32LE(1, 32);
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.writeUInt8((256 - (sum % 256)) % 256, 9);
  return bytes;
}
