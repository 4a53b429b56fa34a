// Owns the decompression of kernels and modules. The first bytes tell which compression the distribution used.

import { spawnSync } from 'node:child_process';
import { gunzipSync } from 'node:zlib';
import { VmError } from '../error.js';
import { installCommands } from '../host/packages.js';
import { findProgram, type Program } from '../host/programs.js';

const FORMATS: readonly { magic: string; program?: Program }[] = [
  { magic: '1f8b' },
  { magic: 'fd377a585a00', program: 'xz' },
  { magic: '28b52ffd', program: 'zstd' },
];

/** `data` uncompressed, or unchanged if it has no magic number of a known compression. */
export function decompress(data: Buffer): Buffer {
  const format = FORMATS.find(({ magic }) => data.toString('hex', 0, magic.length / 2) === magic);
  if (format === undefined) return data;
  return format.program === undefined ? gunzipSync(data) : run(format.program, data);
}

function run(program: Program, input: Buffer): Buffer {
  const path = findProgram(program);
  if (path === undefined) {
    throw new VmError(`the kernel is compressed with ${program}, which this machine lacks: ${installCommands([program]).join('\n  ')}`);
  }
  const { status, stdout, stderr, error } = spawnSync(path, ['-dc'], { input, maxBuffer: 2 ** 30 });
  if (status !== 0) throw new VmError(`${program} cannot read a file of the kernel: ${error?.message ?? stderr.toString().trim()}`);
  return stdout;
}
