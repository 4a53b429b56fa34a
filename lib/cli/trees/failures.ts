// Owns the handling of a failure of one of several things: a command prints it and continues with the rest.

// Errors that all later things would meet as well.
const ENDING: readonly (string | undefined)[] = ['ENOSPC', 'EDQUOT', 'EROFS'];

/** Prints to standard error why something was left out. The exit status becomes 1. */
export function tell(message: string): void {
  console.error(`node-dax: ${message}`);
  process.exitCode = 1;
}

/**
 * Prints the error of one item, so the command can continue. Rethrows an error that ends the command: a signal, a bug, or a
 * filesystem that accepts no more changes.
 */
export function goOnAfter(error: unknown): void {
  const { code, errno, message } = error as NodeJS.ErrnoException;
  if (errno === undefined || ENDING.includes(code)) throw error;
  tell(message);
}

/** Calls `action`. If it fails, calls `tell` with the error and returns undefined. */
export function attempt<T>(action: () => T, tell: (error: unknown) => void): T | undefined {
  try {
    return action();
  } catch (error) {
    tell(error);
    return undefined;
  }
}

/** Does `work` on one thing after the other. If there are several, a failure of one does not stop the others. */
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
