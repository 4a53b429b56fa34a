// Owns what QEMU's user emulation of another processor cannot do (scripts/test-arm64.mjs).

/** For `skip`: false on a machine. */
export const userEmulation =
  process.env['NODE_DAX_TEST_USER_EMULATION'] === '1' &&
  "QEMU's user emulation has less address space, a /proc/self of its own, and starts no programs of the emulated kind";
