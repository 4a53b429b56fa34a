// Owns the search for the shortest part of a failing sequence that still fails.

/**
 * Leaves out ever smaller pieces of `sequence` as long as `fails` says that the rest still fails, with at most `tries` tries. The
 * result fails, but no longer fails if any single step is left out, unless the tries ran out.
 */
export async function shrink<T>(
  sequence: readonly T[],
  fails: (part: readonly T[]) => Promise<boolean>,
  tries = 600,
): Promise<readonly T[]> {
  let left = sequence;
  let budget = tries;
  for (let size = Math.ceil(left.length / 2); size >= 1 && budget > 0; ) {
    let shorter = false;
    for (let from = left.length - size; from > -size && budget > 0; from -= size) {
      const part = [...left.slice(0, Math.max(0, from)), ...left.slice(from + size)];
      budget--;
      if (part.length < left.length && (await fails(part))) {
        left = part;
        shorter = true;
      }
    }
    if (size === 1 && !shorter) break;
    if (!shorter || size > left.length) size = Math.max(1, Math.floor(size / 2));
  }
  return left;
}
