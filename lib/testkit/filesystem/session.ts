// Owns one filesystem under test with its device and its witness, and the files that a check has open.

import { DaxFile, type BlockDevice, type DaxDevice, type Inode } from 'node-dax';
import type { FilesystemUnderTest, FileUnderTest, MakeFilesystem } from './contract.js';
import { crashImages } from '../crash/crash-images.js';
import { Failure } from '../failure.js';
import { openNameless } from '../device/nameless-device.js';
import { GARBAGE, RecordingDevice } from '../device/recording-device.js';
import type { RuleId } from '../rules.js';
import type { Trace } from '../device/trace.js';
import { Witness } from './witness.js';

/** A file that a check has open. */
export interface OpenFile {
  readonly name: string;
  readonly inode: Inode;
  readonly file: FileUnderTest;
}

export class Session {
  readonly device: RecordingDevice;
  readonly fs: FilesystemUnderTest;
  readonly witness: Witness;
  readonly #opened: DaxDevice | undefined;

  constructor(fs: FilesystemUnderTest, device: RecordingDevice, opened?: DaxDevice) {
    this.device = device;
    this.fs = fs;
    this.witness = new Witness(fs, device);
    this.#opened = opened;
  }

  /** A new filesystem on a new medium of `size` bytes. */
  static begin(make: MakeFilesystem, size: number): Session {
    const device = new RecordingDevice(size);
    return new Session(make(device), device);
  }

  /** As `begin`, on a device whose files can be mapped if this machine has room for one. Call `end` to free it. */
  static beginMapped(make: MakeFilesystem, size: number): Session {
    return onMappedDevice(size, (opened) => new RecordingDevice(size, opened?.view(0, size).fill(GARBAGE), opened), make);
  }

  /** Frees the memory of mapped files. */
  end(): void {
    this.#opened?.closeSync();
  }

  create(name: string): OpenFile {
    const inode = this.fs.create(name);
    this.witness.begin(inode);
    return this.#open(name, inode);
  }

  unlink({ name, inode }: OpenFile): void {
    this.fs.unlink(name);
    this.witness.end(inode);
  }

  /** Whether files can be found again after a power cut. */
  get canMount(): boolean {
    return this.fs.mount !== undefined && this.fs.lookup !== undefined;
  }

  /**
   * The filesystem, mounted after a power cut now: stores that were not flushed and fenced are lost. Its files can be mapped, as
   * with `beginMapped`.
   */
  afterPowerCut(): Session {
    const { device } = this;
    return onMappedDevice(device.size, (opened) => device.afterPowerCut(opened), (later) => this.#mount(later));
  }

  /** The filesystem mounted after every power cut in `trace` from event `from` on, with the place of the power cut. */
  *afterPowerCuts(trace: Trace, from: number): Generator<{ later: Session; at: number }> {
    const seen = new Set<string>();
    for (const image of crashImages(trace, { from, limit: 8 })) {
      const key = `${image.at === trace.events.length}:${image.hash}`;
      if (seen.has(key)) continue;
      seen.add(key);
      const device = new RecordingDevice(this.device.size, image.content.slice());
      yield { later: new Session(this.#mount(device), device), at: image.at };
    }
  }

  #mount(device: BlockDevice): FilesystemUnderTest {
    const fs = this.fs.mount?.(device);
    if (fs === undefined) throw new Failure('mount', 'there is nothing to mount with');
    return fs;
  }

  /** Opens a file that existed before the power cut. */
  find(name: string): OpenFile {
    const inode = this.fs.lookup?.(name);
    if (inode === undefined) throw new Failure('IO-10', `${name} was synced, and is gone after the power cut`);
    this.witness.begin(inode, true);
    return this.#open(name, inode);
  }

  #open(name: string, inode: Inode): OpenFile {
    const { operations } = this.witness;
    return { name, inode, file: this.fs.open?.(inode, operations) ?? new DaxFile(inode, operations) };
  }
}

function onMappedDevice(size: number, on: (opened?: DaxDevice) => RecordingDevice, make: MakeFilesystem): Session {
  const opened = openNameless(size);
  try {
    const device = on(opened);
    return new Session(make(device), device, opened);
  } catch (error) {
    opened?.closeSync();
    throw error;
  }
}

/** The whole content. */
export function contentOf(file: FileUnderTest): Uint8Array {
  const content = new Uint8Array(file.size);
  const bytes = file.readSync(content, 0);
  return content.subarray(0, bytes);
}

/** Throws a `Failure` of `rule`, with the first difference, unless `actual` equals `expected`. */
export function expectContent(rule: RuleId, name: string, actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) === 0) return;
  const at = expected.findIndex((byte, pos) => actual[pos] !== byte);
  if (actual.byteLength !== expected.byteLength) {
    throw new Failure(rule, `${name} has ${actual.byteLength} bytes instead of ${expected.byteLength}`);
  }
  const [is, should] = [actual[at] ?? 0, expected[at] ?? 0];
  const what = is === GARBAGE ? ', what the medium held before' : '';
  throw new Failure(rule, `${name} reads ${is} at byte ${at}${what}, instead of ${should}`);
}

/** `length` bytes, none of them 0 or garbage, which depend on `fill` and on their place. */
export function bytesOf(fill: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = 1 + ((fill * 31 + i) % 157);
  return bytes;
}
