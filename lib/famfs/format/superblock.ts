// Owns the superblock: 200 bytes at the start of the memory.

import { hasChecksum, storeChecksum } from './crc.js';
import { fail } from './error.js';
import { isPowerOfTwo, readU64, writeU64 } from './numbers.js';
import { uuidBytes, uuidText } from './uuid.js';

const MIB = 2 ** 20;
const FAMFS_MAGIC = 0x87b282ff;
/** The allocation unit in bytes. */
export const UNIT = 2 * MIB;
/** Another allocation unit that famfs accepts. With it, only a file's size tells which bytes are the file's. */
export const SMALL_UNIT = 4096;
export const SUPERBLOCK_SIZE = 200;
/** Where the log begins, in bytes: everything before it belongs to the superblock. */
export const LOG_OFFSET = 2 * MIB;
export const MIN_LOG_LENGTH = 8 * MIB;
const CHECKED = 96;
const PATH = 136;
const PATH_LENGTH = 64;
// The known formats: major and minor number of the media format, by version.
const FORMATS: Readonly<Record<number, readonly [number, number]>> = { 47: [2, 1], 48: [2, 2] };

export interface FamfsSuperblock {
  /** 48, or 47, which has no additional devices. */
  readonly version: number;
  /** Bytes. */
  readonly logOffset: number;
  readonly logLength: number;
  readonly allocUnit: number;
  readonly omfMajor: number;
  readonly omfMinor: number;
  readonly uuid: string;
  readonly deviceUuid: string;
  /** The UUID of the host that made it: its master. */
  readonly systemUuid: string;
  /** The size of the device in bytes, as given by the host that made it: no checksum covers it. */
  readonly deviceSize: number;
  /** The path of the device on the host that made it. */
  readonly devicePath: string;
}

/**
 * The superblock in `bytes`, checked, of a device of `size` bytes. Throws `EINVAL` if there is none, `EUCLEAN` if it is damaged or
 * does not fit the device, `EOPNOTSUPP` for an unknown format.
 */
export function readSuperblock(bytes: Buffer, size: number, syscall: string): FamfsSuperblock {
  if (readU64(bytes, 0) !== FAMFS_MAGIC) fail('EINVAL', syscall, 'there is no famfs on it: mkfsFamfs, or `node-dax famfs mkfs`, makes one');
  if (!hasChecksum(bytes, 0, CHECKED, CHECKED)) fail('EUCLEAN', syscall, 'superblock: crc: the checksum is not that of the fields');
  const end = bytes.indexOf(0, PATH);
  const sb: FamfsSuperblock = {
    version: readU64(bytes, 8),
    logOffset: readU64(bytes, 16),
    logLength: readU64(bytes, 24),
    allocUnit: readU64(bytes, 32),
    omfMajor: bytes.readUInt32LE(40),
    omfMinor: bytes.readUInt32LE(44),
    uuid: uuidText(bytes, 48),
    deviceUuid: uuidText(bytes, 64),
    systemUuid: uuidText(bytes, 80),
    deviceSize: readU64(bytes, 112),
    devicePath: bytes.toString('utf8', PATH, end < 0 ? PATH + PATH_LENGTH : end),
  };
  check(sb, size, syscall);
  return sb;
}

function check(sb: FamfsSuperblock, size: number, syscall: string): void {
  const { version, logOffset, logLength, allocUnit, omfMajor, omfMinor } = sb;
  const refuse = (errno: string, field: string, message: string) => fail(errno, syscall, `superblock: ${field}: ${message}`);
  const format = FORMATS[version];
  if (format === undefined) refuse('EOPNOTSUPP', 'version', `it is ${version}, and 47 and 48 are known`);
  else if (omfMajor !== format[0] || omfMinor !== format[1]) {
    refuse('EOPNOTSUPP', 'omf_ver', `the media format is ${omfMajor}.${omfMinor}, and version ${version} is known with ${format.join('.')}`);
  }
  if (logOffset !== LOG_OFFSET) refuse('EOPNOTSUPP', 'log_offset', `the log begins at ${logOffset}, not at ${LOG_OFFSET}`);
  if (allocUnit !== UNIT && allocUnit !== SMALL_UNIT) refuse('EOPNOTSUPP', 'alloc_unit', `it is ${allocUnit}, and ${UNIT} and ${SMALL_UNIT} are known`);
  if (!isPowerOfTwo(logLength) || logLength < MIN_LOG_LENGTH) refuse('EUCLEAN', 'log_len', `it is ${logLength}, and must be a power of two from 8 MiB on`);
  if (LOG_OFFSET + logLength > size) refuse('EUCLEAN', 'log_len', `the log ends at ${LOG_OFFSET + logLength}, and the device has ${size} bytes`);
}

/** The bytes of a superblock, with its checksum. */
export function superblockBytes(sb: FamfsSuperblock): Buffer {
  const bytes = Buffer.alloc(SUPERBLOCK_SIZE);
  writeU64(bytes, FAMFS_MAGIC, 0);
  writeU64(bytes, sb.version, 8);
  writeU64(bytes, sb.logOffset, 16);
  writeU64(bytes, sb.logLength, 24);
  writeU64(bytes, sb.allocUnit, 32);
  bytes.writeUInt32LE(sb.omfMajor, 40);
  bytes.writeUInt32LE(sb.omfMinor, 44);
  for (const [index, uuid] of [sb.uuid, sb.deviceUuid, sb.systemUuid].entries()) uuidBytes(uuid)?.copy(bytes, 48 + index * 16);
  writeU64(bytes, sb.deviceSize, 112);
  bytes.write(sb.devicePath, PATH, PATH_LENGTH - 1);
  storeChecksum(bytes, 0, CHECKED, CHECKED);
  return bytes;
}
