// Owns the two forms in which i_block of a device file has the device's number: 8 bits each, or 12 for the major and 20 for the minor.

/** The first two words of i_block of a device file. */
export function encodeDevice(major: number, minor: number): [number, number] {
  if (major < 256 && minor < 256) return [major * 256 + minor, 0];
  return [0, (minor % 256) + major * 256 + Math.floor(minor / 256) * 2 ** 20];
}

/** The device number of a device file, from its i_block. */
export function decodeDevice(top: readonly number[]): { major: number; minor: number } {
  const [old, extended] = [top[0] as number, top[1] as number];
  if (old !== 0) return { major: Math.floor(old / 256) % 256, minor: old % 256 };
  return { major: Math.floor(extended / 256) % 4096, minor: (extended % 256) + Math.floor(extended / 2 ** 20) * 256 };
}
