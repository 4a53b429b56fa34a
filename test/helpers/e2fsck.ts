// Owns e2fsck as a judge of images, many at a time: what it may complain of after a power cut, and what it may not.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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

// Everything else that e2fsck says is a breach, so that nothing new is taken for harmless.
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
  ['unattached', /^Unattached inode \d+$/],
  ['unattached', /^Unattached zero-length inode \d+\. {2}Clear\? no$/],
  ['unattached', /^Unconnected directory inode \d+ \(was in .*\)$/],
  ['unattached', /^'\.\.' in .* is .*, should be <The NULL inode> \(0\)\.$/],
  [
    'references too high',
    /^Inode \d+ ref count is (\d+), should be (\d+)\. {2}Fix\? no$/,
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
  ['i_blocks or i_size', /^Inode \d+, i_(?:blocks|size) is \d+, should be \d+\. {2}Fix\? no$/],
];

/** Judges what `e2fsck -fn` printed and its exit status. */
export function judge(output: string, status: number): Verdict {
  const allowed = new Set<string>();
  const breaches: string[] = [];
  for (const line of output.split('\n')) {
    const text = line.trimEnd();
    if (SILENT.some((silent) => silent.test(text))) continue;
    const kind = ALLOWED.find(([, pattern, isAllowed]) => {
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

// One process for each would take longer to start than to run.
const SCRIPT = 'for f; do echo "== $f"; e2fsck -fn "$f" 2>&1; echo "-- $?"; done';
const BATCH = 64;

export interface Judged extends Verdict {
  /** What was handed in with the image. */
  readonly label: string;
  readonly image: Uint8Array;
}

/** Runs e2fsck over images as they come, on every processor. */
export class E2fsckJudge {
  /** Images in breach; at most a few are kept. */
  readonly breaches: Judged[] = [];
  /** How many images had a complaint of each allowed kind. */
  readonly counts = new Map<string, number>();
  judged = 0;
  readonly #folder: string;
  readonly #running = new Set<Promise<void>>();
  readonly #jobs = Math.max(2, availableParallelism());
  #batch: { path: string; label: string; image: Uint8Array }[] = [];
  #batches = 0;
  #failure: Error | undefined;

  constructor() {
    this.#folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'node-dax-e2fsck-'));
  }

  /** Queues an image. Waits while too many are queued. */
  async add(image: Uint8Array, label: string): Promise<void> {
    const path = join(this.#folder, `${this.#batches}-${this.#batch.length}`);
    writeFileSync(path, image);
    this.#batch.push({ path, label, image });
    if (this.#batch.length < BATCH) return;
    this.#start();
    while (this.#running.size > this.#jobs) await Promise.race(this.#running);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Waits for all verdicts, and removes what was written. */
  async finish(): Promise<void> {
    this.#start();
    await Promise.all(this.#running);
    rmSync(this.#folder, { recursive: true });
    if (this.#failure !== undefined) throw this.#failure;
  }

  #start(): void {
    const batch = this.#batch;
    if (batch.length === 0) return;
    this.#batch = [];
    this.#batches++;
    const run = this.#run(batch)
      .catch((error: unknown) => { this.#failure = error as Error; })
      .finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  async #run(batch: readonly { path: string; label: string; image: Uint8Array }[]): Promise<void> {
    const output = await new Promise<string>((resolve, reject) => {
      const child = spawn('sh', ['-c', SCRIPT, 'sh', ...batch.map(({ path }) => path)], {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, LC_ALL: 'C' },
      });
      const chunks: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
      child.on('error', reject);
      child.on('close', () => { resolve(Buffer.concat(chunks).toString('latin1')); });
    });
    const sections = output.split(/^== (.*)\n/m).slice(1);
    for (const [index, { path, label, image }] of batch.entries()) {
      const text = sections[2 * index + 1] ?? '';
      const status = /^-- (\d+)\n$/m.exec(text);
      if (sections[2 * index] !== path || status === null) throw new Error(`e2fsck gave no verdict on ${label}: ${text}`);
      this.#count({ ...judge(text.slice(0, status.index), Number(status[1])), label, image });
      rmSync(path);
    }
  }

  #count(judged: Judged): void {
    this.judged++;
    for (const kind of judged.allowed) this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    if (judged.breaches.length > 0 && this.breaches.length < 20) this.breaches.push(judged);
  }
}
