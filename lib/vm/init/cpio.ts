// Owns the archive format of an initramfs: cpio "newc" (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst).

/** A file, directory or symbolic link of the archive, owned by root. */
export interface CpioEntry {
  /** The path without a leading slash. A directory must come before its content. */
  readonly path: string;
  /** File type and permission bits, as `st_mode`. */
  readonly mode: number;
  readonly content: Buffer;
}

const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;

export function directory(path: string): CpioEntry {
  return { path, mode: S_IFDIR + 0o755, content: Buffer.alloc(0) };
}

export function file(path: string, content: Buffer | string, permissions = 0o644): CpioEntry {
  return { path, mode: S_IFREG + permissions, content: Buffer.from(content) };
}

/** The archive of `entries`, uncompressed. */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const trailer: CpioEntry = { path: 'TRAILER!!!', mode: 0, content: Buffer.alloc(0) };
  return Buffer.concat([...entries, trailer].flatMap((entry, index) => record(entry, index + 1)));
}

function record({ path, mode, content }: CpioEntry, ino: number): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const uid = 0, gid = 0, nlink = 1, mtime = 0, device = [0, 0, 0, 0], check = 0;
  const fields = [ino, mode, uid, gid, nlink, mtime, content.length, ...device, name.length, check];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return [header, name, padding(header.length + name.length), content, padding(content.length)];
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4);
}
