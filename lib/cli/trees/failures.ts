// Owns what a command does about a failure that concerns one of several things: it tells of it, and goes on with the rest.

// These concern all that is to come as well.
const ENDING: readonly (string | undefined)[] = ['ENOSPC', 'EDQUOT', 'EROFS'];

/** Says on the standard error why something was left out: the exit status becomes 1. */
export function tell(message: string): void {
  console.error(`node-dax: ${message}`);
  process.exitCode = 1;
}

/** Tells of an error of one thing. Throws one that ends the command: a signal, a bug, a filesystem that takes nothing more. */
export function goOnAfter(error: unknown): void {
  const { code, errno, message } = error as NodeJS.ErrnoException;
  if (errno === undefined || ENDING.includes(code)) throw error;
  tell(message);
}

/** Calls `action`; undefined where it fails, and `tell` has the error. */
export function attempt<T>(action: () => T, tell: (error: unknown) => void): T | undefined {
  try {
    return action();
  } catch (error) {
    tell(error);
    return undefined;
  }
}

/** Does `work` with one thing after the other. Where there are several, one that fails keeps no other from its turn. */
export async function each<T>(things: readonly T[], work: (thing: T) => void | Promise<void>): Promise<void> {
  for (const thing of things) {
    try {
      await work(thing);
    } catch (error) {
      if (things.length === 1) throw error;
      goOnAfter(error);
    }
  }
}
