// Owns the assertion that nobody uses what was forgotten: where NODE_DAX_ASSERT_CACHES=1 is set, caches hold next to
// nothing, and whatever leaves them throws at the next touch.

export const ASSERTING_CACHES = process.env['NODE_DAX_ASSERT_CACHES'] === '1';

function refuse(member: string | symbol): never {
  throw new Error(`${String(member)} of an object that was forgotten: whoever works on it must have a reference`);
}

const FORGOTTEN = new Proxy({}, { get: (_, member) => refuse(member), set: (_, member) => refuse(member) });

/** Where caches are asserted: every member of `object` throws from now on, all but `kept`. */
export function poison(object: object, kept?: string): void {
  if (!ASSERTING_CACHES) return;
  for (const member of Object.keys(object)) {
    if (member !== kept) Object.defineProperty(object, member, { get: () => refuse(member), set: () => refuse(member) });
  }
  Object.setPrototypeOf(object, FORGOTTEN);
}
