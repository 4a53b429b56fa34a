// Owns the command `demo`: zero-copy I/O on a device made in memory, or on one that the user named and gave up.

import { existsSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { checkOverwritable } from './permission.js';
import { demonstrate, OVERWRITTEN, type DemoReport } from '../demo/demo.js';
import { withScratchFile } from '../demo/scratch-file.js';
import { toJson } from './json.js';
import { columns } from './table.js';

const FILE_SIZE = 64 * 1024 * 1024;

interface Options {
  device?: string;
  yesOverwrite?: true;
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

function run(path: string, size: number | undefined, { force, json }: Options): DemoReport {
  const onTerminal = process.stderr.isTTY && json !== true;
  const report = demonstrate(
    path,
    { ...(size === undefined ? {} : { size }), force: force === true },
    {
      onStep: (text) => {
        if (json !== true) console.log(text);
      },
      onProgress: (done) => {
        if (onTerminal) process.stderr.write(done < 1 ? `\rtiming  ${(100 * done).toFixed(0)} %` : '\r\x1b[K');
      },
    },
  );
  if (json === true) console.log(toJson(report));
  else console.log(`\n${columns(['4 KiB READ BY', 'ns', ''], timingRows(report))}`);
  return report;
}

function onNamedDevice(path: string, options: Options, command: Command): DemoReport {
  if (options.yesOverwrite !== true) {
    command.error(
      `error: the demo overwrites the first ${OVERWRITTEN} bytes of ${path}: add --yes-overwrite if that is all right`,
      { exitCode: 2 },
    );
  }
  if (options.force !== true) checkOverwritable(path, 'demo');
  if (existsSync(path)) return run(path, undefined, options);
  try {
    return run(path, FILE_SIZE, options);
  } finally {
    rmSync(path, { force: true });
  }
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('Show zero-copy reads and writes on a device made in memory, and compare them with node:fs')
    .option('--device <path>', 'use this device or file instead; a file that does not exist is made and removed')
    .option('--yes-overwrite', `allow the first ${OVERWRITTEN} bytes of the device to be overwritten`)
    .option('--force', 'even if the device is mounted, held by another or carries a filesystem')
    .option('--json', 'print the result as JSON')
    .action((options: Options, command: Command) => {
      const folder = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
      const report =
        options.device === undefined
          ? withScratchFile(join(folder, 'node-dax-demo'), (path) => run(path, FILE_SIZE, options))
          : onNamedDevice(options.device, options, command);
      if (!report.verified) process.exitCode = 1;
    });
}
