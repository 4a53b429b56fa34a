// Owns the assertion that evicted objects are never used: with NODE_DAX_ASSERT_CACHES=1, caches hold next to nothing, and every
// access to an evicted object throws.

export const ASSERTING_CACHES = process.env['NODE_DAX_ASSERT_CACHES'] === '1';

function refuse(member: string | symbol): never {
  throw new Error(`${String(member)} of an object that was forgotten: whoever works on it must have a reference`);
}

const FORGOTTEN = new Proxy({}, { get: (_, member) => refuse(member), set: (_, member) => refuse(member) });

/** With the assertion on, makes every member of `object` but `kept` throw from now on. */
export function poison(object: object, kept?: string): void {
  if (!ASSERTING_CACHES) return;
  for (const member of Object.keys(object)) {
    if (member !== kept) Object.defineProperty(object, member, { get: () => refuse(member), set: () => refuse(member) });
  }
  Object.setPrototypeOf(object, FORGOTTEN);
}
