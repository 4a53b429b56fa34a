// Owns the initramfs from which the guest boots: busybox, the modules in their lists, and the scripts.

import { readFileSync } from 'node:fs';
import { cpio, directory, file } from './cpio.js';
import type { LoadingList } from './modules.js';
import { STAGE_ONE, STAGE_TWO } from './stages.js';

/** The contents that differ from guest to guest. */
export interface InitramfsContents {
  /** A statically linked busybox. */
  readonly busybox: string;
  readonly lists: readonly LoadingList[];
  readonly plan: string;
  readonly command: string;
  /** The script behind `node-dax` in the guest. */
  readonly shim: string;
  readonly trailer: Buffer;
}

/** Makes the archive. It is uncompressed, because unpacking it would cost the guest more than reading it. */
export function initramfs({ busybox, lists, plan, command, shim, trailer }: InitramfsContents): Buffer {
  const modules = new Map(lists.flatMap((list) => list.modules).map(({ name, content }) => [name, content]));
  return cpio([
    ...['bin', 'dev', 'proc', 'sys', 'node-dax', 'node-dax/bin', 'node-dax/modules'].map(directory),
    file('bin/busybox', readFileSync(busybox), 0o755),
    file('init', STAGE_ONE, 0o755),
    ...lists.map(({ name, text }) => file(`node-dax/modules/${name}`, text)),
    ...[...modules].map(([name, content]) => file(`node-dax/modules/${name}.ko`, content)),
    file('node-dax/stage-two', STAGE_TWO),
    file('node-dax/plan', plan),
    file('node-dax/command', command),
    file('node-dax/trailer', trailer),
    file('node-dax/bin/node-dax', shim, 0o755),
  ]);
}
