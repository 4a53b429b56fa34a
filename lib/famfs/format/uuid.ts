// Owns UUIDs: 16 bytes in the memory, in the order of their text.

const TEXT = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function uuidText(bytes: Buffer, pos: number): string {
  return bytes.toString('hex', pos, pos + 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** The 16 bytes of a UUID; undefined if `text` is not a UUID. */
export function uuidBytes(text: string): Buffer | undefined {
  return TEXT.test(text) ? Buffer.from(text.replaceAll('-', ''), 'hex') : undefined;
}
