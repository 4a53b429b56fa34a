// Owns the command `demo`: zero-copy I/O and ext2 on a device made in memory, or on one that the user has named and allowed to be
// overwritten.

import { existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { checkOverwritable } from './permission.js';
import { demonstrate, OVERWRITTEN, type DemoOptions, type DemoReport } from '../demo/demo.js';
import { FORMATTED } from '../demo/ext2.js';
import { withScratchFile } from '../demo/scratch-file.js';
import { toJson } from './json.js';
import { columns } from './table.js';

const FILE_SIZE = 64 * 1024 * 1024;

interface Options {
  device?: string;
  yesOverwrite?: true;
  ext2?: true;
  force?: true;
  json?: true;
}

function timingRows({ timings }: DemoReport): string[][] {
  const [first] = timings;
  return timings.map(({ way, nanoseconds, reason }) => {
    if (nanoseconds === undefined) return [way, '-', `not possible here: ${reason ?? 'unknown'}`];
    const ratio = nanoseconds / (first?.nanoseconds ?? nanoseconds);
    return [way, nanoseconds.toFixed(0), ratio === 1 ? '1.0' : `${ratio.toFixed(1)} times as long`];
  });
}

function run(path: string, options: DemoOptions, json: boolean): DemoReport {
  const onTerminal = process.stderr.isTTY && !json;
  const report = demonstrate(path, options, {
    onStep: (text) => {
      if (!json) console.log(text);
    },
    onProgress: (done) => {
      if (onTerminal) process.stderr.write(done < 1 ? `\rtiming  ${(100 * done).toFixed(0)} %` : '\r\x1b[K');
    },
  });
  if (json) console.log(toJson(report));
  else console.log(`\n${columns(['4 KiB READ BY', 'ns', ''], timingRows(report))}`);
  return report;
}

// A file that is made for the demonstration has no content to lose.
function onNewFile(path: string, options: Options): DemoReport {
  return run(path, { size: FILE_SIZE, force: options.force === true, ext2: true }, options.json === true);
}

function onNamedDevice(path: string, options: Options, command: Command): DemoReport {
  const ext2 = options.ext2 === true;
  if (options.yesOverwrite !== true) {
    command.error(
      `error: the demo overwrites the first ${ext2 ? FORMATTED : OVERWRITTEN} bytes of ${path}: add --yes-overwrite if that is all right`,
      { exitCode: 2 },
    );
  }
  const force = options.force === true;
  if (!force) checkOverwritable(path, 'demo');
  if (existsSync(path)) return run(path, { force, ext2 }, options.json === true);
  try {
    return onNewFile(path, options);
  } finally {
    rmSync(path, { force: true });
  }
}

function succeeded({ verified, ext2 }: DemoReport): boolean {
  return verified && (ext2 === undefined || (ext2.isClean && ext2.e2fsck !== false));
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('Show zero-copy reads and writes and an ext2 filesystem on a device made in memory, and compare with node:fs')
    .option('--device <path>', 'use this device or file instead; a file that does not exist is made and removed')
    .option('--yes-overwrite', `allow the first ${OVERWRITTEN} bytes of the device to be overwritten; with --ext2, ${FORMATTED}`)
    .option('--ext2', 'also make an ext2 filesystem on the device; a file that is made gets one in any case')
    .option('--force', 'proceed even if the device is mounted, held by another or carries a filesystem')
    .option('--json', 'print the result as JSON')
    .action((options: Options, command: Command) => {
      const folder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
      const report =
        options.device === undefined
          ? withScratchFile(join(folder, 'node-dax-demo'), (path) => onNewFile(path, options))
          : onNamedDevice(options.device, options, command);
      if (!succeeded(report)) process.exitCode = 1;
    });
}
