// Owns the progress bar, which is shown only on a terminal, beside what a command prints.

/** Shows how much of the total is done, and what is being done. */
export type ShowProgress = (done: number, total: number, what: string) => void;

/** Calls `work` and shows a progress bar, in the `format` of cli-progress, until the work is over. */
export async function withProgress<T>(format: string, work: (show: ShowProgress) => Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return work(() => undefined);
  const { SingleBar } = await import('cli-progress');
  const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true, hideCursor: true });
  bar.start(1, 0, { what: '' });
  try {
    return await work((done, total, what) => {
      bar.setTotal(total);
      bar.update(done, { what });
    });
  } finally {
    bar.stop();
  }
}
