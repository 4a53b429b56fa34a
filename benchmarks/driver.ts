// What a driver is: one way to do one job, and the promise it keeps when it says that the job is done.

/** What is asked of a driver. Positions walk through the first `span` bytes of the file, block by block, and begin again. */
export interface Job {
  path: string;
  blockSize: number;
  span: number;
}

/** An operation ready to be repeated; `awaited` ones return a promise that ends them. */
export interface Operation {
  run: (pos: number) => unknown;
  awaited?: boolean;
}

export interface Driver {
  /** What is true when an operation has ended. */
  readonly done: string;
  /** Its garbage is part of its work: collections are added to its time. Others have few, which belong to Node's start. */
  readonly leavesGarbage?: boolean;
  /** Operations before it is timed, where those of 200 ms do not show the compiler all of its code. */
  readonly warmUp?: number;
  /** Variables that its process needs. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Why it cannot be had here; undefined where it can. */
  readonly missing?: () => string | undefined;
  open: (job: Job) => Operation | Promise<Operation>;
}

/** Memory that is really there: untouched memory is one page of zeros, which never leaves the cache. */
export function filledBuffer(bytes: number): Buffer {
  return Buffer.alloc(bytes, 0x5a);
}

/** Those who make files make so many, remove them, and begin again. */
export const FILES = 10_000;
/** Much code makes a file: the compiler has seen all of it in the third round. */
export const FILES_WARM_UP = 2 * FILES;

// Odd, so coprime with the blocks of a span that is a power of 2, and near its golden section.
const STEP = 10_127;

/** The same driver, with the blocks of the span in no order that a processor would guess. */
export function scattered(driver: Driver): Driver {
  return {
    ...driver,
    async open(job) {
      const { run, ...operation } = await driver.open(job);
      const blocks = job.span / job.blockSize;
      let at = 0;
      return {
        ...operation,
        run: () => {
          at = (at + STEP) % blocks;
          return run(at * job.blockSize);
        },
      };
    },
  };
}
