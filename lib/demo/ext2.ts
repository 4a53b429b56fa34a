// Shows ext2 on one device: a file that is written, mapped, stored to through the mapping, truncated, and judged by e2fsck.

import { spawnSync } from 'node:child_process';
import { DaxError, partition, SECTOR_SIZE, type DaxDevice } from 'node-dax';
import { check, describeFinding, mkfsSync, mount, type Ext2File } from 'node-dax/ext2';

/** Bytes from the start of the device that the filesystem takes, if there are so many. */
export const FORMATTED = 64 * 1024 ** 2;

// For one file; more would take their time on the way.
const INODES = 1024;
const TEXT = 'Hello, ext2 filesystem!';
const STORED = 'mapped';
const CUT = 'Hello, mapped'.length;

/** What the demonstration of ext2 came to. */
export interface Ext2Shown {
  /** The content of the file at the end, read after a second mount. */
  text: string;
  /** Why the file could not be mapped on this device, if it could not. */
  notMapped?: string;
  /** node-dax's own check found nothing. */
  isClean: boolean;
  /** Nor did `e2fsck -fn`; undefined where it could not be asked. */
  e2fsck?: boolean;
}

type Say = (text: string) => void;

// Where files can be mapped, their bytes are changed there, and by a write elsewhere.
function change(file: Ext2File, persisted: string, say: Say): string | undefined {
  const at = TEXT.indexOf('ext2');
  try {
    using mapping = file.mmap();
    say(`map     the file as an ArrayBuffer of ${mapping.buffer.byteLength} bytes, the device's own, no copy`);
    Buffer.from(mapping.buffer).write(STORED, at);
    mapping.persist(at, STORED.length);
    say(`store   '${STORED}' through the mapping, ${persisted}`);
    return undefined;
  } catch (error) {
    if (!(error instanceof DaxError)) throw error;
    file.writeSync(Buffer.from(STORED), at);
    say(`write   '${STORED}' into it; it cannot be mapped here: ${error.hint ?? error.message}`);
    return error.message;
  }
}

function askE2fsck(device: DaxDevice, say: Say): boolean | undefined {
  if (device.kind === 'devdax') {
    say('        e2fsck was not asked: it cannot read a devdax');
    return undefined;
  }
  const { status, stdout, error } = spawnSync('e2fsck', ['-fn', device.path], { encoding: 'utf8' });
  if (error !== undefined) {
    say('        e2fsck is not installed (Debian and Ubuntu: apt-get install e2fsprogs)');
    return undefined;
  }
  say(`        e2fsck -fn ${status === 0 ? 'agrees' : `ended with status ${status ?? '-'}:\n${stdout}`}`);
  return status === 0;
}

/** Makes an ext2 filesystem on the first `FORMATTED` bytes of `device`, and tells each step. */
export function showExt2(device: DaxDevice, say: Say): Ext2Shown {
  const blockSize = 4096;
  const part = partition(device, 0, Math.floor(Math.min(device.size, FORMATTED) / SECTOR_SIZE));
  const sb = mkfsSync(part, { label: 'node-dax demo', blockSize, inodes: INODES, force: true });
  say(`ext2    formatted: ${sb.s_blocks_count} blocks of ${blockSize} bytes, ${sb.s_inodes_count} inodes`);
  let notMapped;
  {
    using fs = mount(part);
    using file = fs.open(fs.create(fs.root, 'hello.txt'));
    file.writeSync(Buffer.from(TEXT), 0);
    say(`write   '${TEXT}' to /hello.txt`);
    const { flushInstruction } = device.facts;
    const how = { byte: 'a fence', cache_line: `${flushInstruction} and a fence`, page: 'msync' }[device.granularity];
    const persisted = `${device.persistent === true ? 'durable' : 'flushed'} with ${how}`;
    notMapped = change(file, persisted, say);
    file.truncateSync(CUT);
    say(`cut     to ${CUT} bytes; unmounted`);
  }
  let text;
  {
    using fs = mount(part, { readOnly: true });
    using file = fs.open(fs.resolve('/hello.txt'), { readOnly: true });
    const bytes = Buffer.alloc(file.size);
    file.readSync(bytes, 0);
    text = bytes.toString();
  }
  const { isClean, findings } = check(part);
  const judgement = isClean ? 'the check finds nothing' : findings.map(describeFinding).join('\n        ');
  say(`verify  mounted anew it reads '${text}'; ${judgement}`);
  const e2fsck = askE2fsck(device, say);
  return { text, isClean, ...(notMapped !== undefined && { notMapped }), ...(e2fsck !== undefined && { e2fsck }) };
}
