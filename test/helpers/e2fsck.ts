// Owns e2fsck as a judge of images, many at a time: what it may complain of after a power cut, and what it may not.

import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';

/** What e2fsck said of one image. Lines that only introduce or repeat are left out. */
export interface Verdict {
  readonly status: number;
  /** Leaks and lags: what a power cut may leave, by kind. */
  readonly allowed: readonly string[];
  /** Lines that must not be there. */
  readonly breaches: readonly string[];
}

// Everything else that e2fsck says is a breach, so nothing new is taken for harmless.
const SILENT: readonly RegExp[] = [
  /^$/,
  /^e2fsck \d/,
  /^Pass \d[A-E]?: /,
  /^(?:Fix|Clear|Connect to \/lost\+found)\? no$/,
  /^Warning! .* is mounted\.$/,
  /^.*: \*{10} WARNING: Filesystem still has errors \*{10}$/,
  /^.*: \d+\/\d+ files \(\d+\.\d+% non-contiguous\), \d+\/\d+ blocks$/,
];

const MINUS = String.raw`(?:\s+-(?:\d+|\(\d+--\d+\)))+`;

type Kind = readonly [kind: string, line: RegExp, isAllowed?: (match: RegExpExecArray, output: string) => boolean];

const ALLOWED: readonly Kind[] = [
  ['not cleanly unmounted', /^.* was not cleanly unmounted, check forced\.$/],
  ['free counts', /^(?:Free (?:blocks|inodes)|Directories) count wrong(?: for group #\d+)? \(\d+, counted=\d+\)\.$/],
  ['marked but not in use', new RegExp(`^(?:Block|Inode) bitmap differences:${MINUS}$`)],
  ['unattached', /^Deleted inode \d+ has zero dtime\. {2}Fix\? no$/],
  // Files without a name that were open. With -n, e2fsck does not go through the list that they are in.
  ['orphans', /^Inodes that were part of a corrupted orphan linked list found\. {2}Fix\? no$/],
  ['orphans', /^Inode \d+ was part of the orphaned inode list\. {2}IGNORED\.$/],
  ['unattached', /^Unattached inode \d+$/],
  ['unattached', /^Unattached zero-length inode \d+\. {2}Clear\? no$/],
  ['unattached', /^Unconnected directory inode \d+ \(was in .*\)$/],
  ['unattached', /^'\.\.' in .* is .*, should be <The NULL inode> \(0\)\.$/],
  [
    'references too high',
    /^Inode \d+ ref count is (\d+), should be (\d+)\. {2}Fix\? no$/,
    ([, is, should]) => Number(is) > Number(should),
  ],
  [
    'references too high',
    /^Extended attribute block \d+ has reference count (\d+), should be (\d+)\. {2}Fix\? no$/,
    ([, is, should]) => Number(is) > Number(should),
  ],
  ['both names', /^Entry '.*' in .* \(\d+\) is a link to directory .* \(\d+\)\.$/],
  // Only where the directory is found under both names: its parent is one of the two.
  [
    'both names',
    /^'\.\.' in .* \((\d+)\) is .* \(\d+\), should be .* \(\d+\)\.$/,
    ([, ino], output) => new RegExp(String.raw`is a link to directory .* \(${ino ?? ''}\)\.$`, 'm').test(output),
  ],
  // These lie in other words of the inode than the pointers that they tell about: no store makes both durable.
  ['i_blocks', /^Inode \d+, i_blocks is \d+, should be \d+\. {2}Fix\? no$/],
  ['i_size', /^Inode \d+, i_size is \d+, should be \d+\. {2}Fix\? no$/],
];

/** Judges what `e2fsck -fn` printed and its exit status. `isClean`: of an image with nothing left by a power cut. */
export function judge(output: string, status: number, isClean = false): Verdict {
  const allowed = new Set<string>();
  const breaches: string[] = [];
  for (const line of output.split('\n')) {
    const text = line.trimEnd();
    if (SILENT.some((silent) => silent.test(text))) continue;
    const kind = isClean ? undefined : ALLOWED.find(([, pattern, isAllowed]) => {
      const match = pattern.exec(text);
      return match !== null && (isAllowed?.(match, output) ?? true);
    });
    if (kind === undefined) breaches.push(text);
    else allowed.add(kind[0]);
  }
  if (status !== 0 && status !== 4) breaches.push(`exit status ${status}`);
  if (status === 4 && allowed.size === 0 && breaches.length === 0) breaches.push('exit status 4 without a complaint');
  return { status, allowed: [...allowed].sort(), breaches };
}

/** Why there is no e2fsck, or undefined. */
export function e2fsckMissing(): string | undefined {
  const { error } = spawnSync('e2fsck', ['-V']);
  return error === undefined ? undefined : 'e2fsck is not installed: apt-get install e2fsprogs';
}

// A shell that is there already starts a process sooner than Node does.
const SCRIPT = 'while read -r f; do echo "== $f"; $0 -fn "$f" </dev/null 2>&1; echo "-- $?"; done';
// e2fsck.static (package e2fsck-static) is the same program, and a process of it starts in half the time.
const PROGRAM = ['e2fsck.static', 'e2fsck'].find((name) => spawnSync(name, ['-V']).error === undefined) ?? 'e2fsck';
// Images that wait to be judged.
const MOST_WAITING = 128;
// Images that a worker is told of at once.
const BATCH = 16;
const PAGE = 4096;

export interface Judged extends Verdict {
  /** What was handed in with the image. */
  readonly label: string;
  readonly image: Uint8Array;
}

interface Waiting {
  readonly slot: Slot;
  readonly label: string;
}

/** A file that images are written to, one after the other: most of an image is as it was in the one before. */
class Slot {
  readonly path: string;
  readonly #fd: number;
  #content: Uint8Array | undefined;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, 'w+');
  }

  get content(): Uint8Array {
    return this.#content ?? new Uint8Array();
  }

  put(image: Uint8Array): void {
    if (this.#content?.byteLength !== image.byteLength) {
      this.#content = new Uint8Array(image);
      ftruncateSync(this.#fd, 0);
      writeSync(this.#fd, image, 0, image.byteLength, 0);
      return;
    }
    for (let pos = 0; pos < image.byteLength; pos += PAGE) {
      const page = image.subarray(pos, pos + PAGE);
      if (Buffer.compare(page, this.#content.subarray(pos, pos + PAGE)) === 0) continue;
      this.#content.set(page, pos);
      writeSync(this.#fd, page, 0, page.byteLength, pos);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** A shell that runs e2fsck on one image after the other. */
class Worker {
  readonly ended: Promise<void>;
  readonly #shell = spawn('sh', ['-c', SCRIPT, PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, LC_ALL: 'C' } });
  readonly #waiting: Waiting[] = [];
  // Those that it was not told of yet.
  #untold = '';
  #output = '';

  constructor(judged: (image: Waiting, output: string, status: number) => void) {
    this.#shell.stdout.setEncoding('latin1').on('data', (chunk: string) => {
      this.#output += chunk;
      for (let end; (end = /^-- (\d+)\n/m.exec(this.#output)) !== null; ) {
        const image = this.#waiting.shift();
        const head = `== ${image?.slot.path ?? ''}\n`;
        if (image === undefined || !this.#output.startsWith(head)) throw new Error(`e2fsck: ${this.#output}`);
        judged(image, this.#output.slice(head.length, end.index), Number(end[1]));
        this.#output = this.#output.slice(end.index + end[0].length);
      }
    });
    this.ended = new Promise((resolve, reject) => {
      this.#shell.on('error', reject).on('close', (status) => {
        if (status === 0 && this.#waiting.length === 0) resolve();
        else reject(new Error(`e2fsck gave no verdict on ${this.#waiting.length} images`));
      });
    });
  }

  add(image: Waiting): void {
    this.#waiting.push(image);
    this.#untold += `${image.slot.path}\n`;
    if (this.#waiting.length % BATCH === 0) this.tell();
  }

  /** Tells it of all that were added. */
  tell(): void {
    if (this.#untold !== '') this.#shell.stdin.write(this.#untold);
    this.#untold = '';
  }

  end(): void {
    this.tell();
    this.#shell.stdin.end();
  }
}

/** Runs e2fsck over images as they come, on every processor. */
export class E2fsckJudge {
  /** Images in breach; at most a few are kept. */
  readonly breaches: Judged[] = [];
  /** How many images had a complaint of each allowed kind. */
  readonly counts = new Map<string, number>();
  judged = 0;
  readonly #folder: string;
  readonly #workers: readonly Worker[];
  readonly #free: Slot[] = [];
  #slots = 0;
  #added = 0;
  #resume: (() => void) | undefined;

  readonly #isClean: boolean;

  /** `isClean`: the images have nothing that a power cut left, and whatever e2fsck says is a breach. */
  constructor(isClean = false) {
    this.#isClean = isClean;
    this.#folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'node-dax-e2fsck-'));
    const length = Math.max(2, availableParallelism());
    this.#workers = Array.from({ length }, () => new Worker((image, output, status) => { this.#judge(image, output, status); }));
  }

  /** Queues an image, whose content is not needed any more on return. Waits while too many are queued. */
  async add(image: Uint8Array, label: string): Promise<void> {
    const slot = this.#free.pop() ?? new Slot(join(this.#folder, `${this.#slots++}`));
    slot.put(image);
    this.#workers[this.#added++ % this.#workers.length]?.add({ slot, label });
    if (this.#added - this.judged < MOST_WAITING) return;
    for (const worker of this.#workers) worker.tell();
    const room = new Promise<void>((resolve) => { this.#resume = resolve; });
    await Promise.race([room, ...this.#workers.map(({ ended }) => ended)]);
  }

  /** Waits for all verdicts, and removes what was written. */
  async finish(): Promise<void> {
    for (const worker of this.#workers) worker.end();
    await Promise.all(this.#workers.map(({ ended }) => ended));
    for (const slot of this.#free) slot.close();
    rmSync(this.#folder, { recursive: true });
  }

  #judge({ slot, label }: Waiting, output: string, status: number): void {
    const verdict = judge(output, status, this.#isClean);
    this.judged++;
    for (const kind of verdict.allowed) this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    if (verdict.breaches.length > 0 && this.breaches.length < 20) {
      this.breaches.push({ ...verdict, label, image: new Uint8Array(slot.content) });
    }
    this.#free.push(slot);
    if (this.#added - this.judged < MOST_WAITING) this.#resume?.();
  }
}
