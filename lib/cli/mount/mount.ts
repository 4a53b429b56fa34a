// Owns the command `mount`: it serves an image as a directory to every program until it is unmounted.

import { InvalidArgumentError, Option, type Command } from 'commander';
import { DaxError, type BlockDevice } from 'node-dax';
import { mount } from 'node-dax/ext2';
import { mountFuse, type FuseMount } from 'node-dax/fuse';
import { imageCommand, inPlace, noFilesystem, withRegion, type Region } from '../ext2/image/image.js';
import { toJson } from '../json.js';
import { print } from '../output.js';
import { checkUnused } from '../permission.js';
import { isBackground, startInBackground, tell } from './background.js';
import { parseListed, type ListedOptions } from './options.js';

interface Options extends Region {
  readonly readOnly?: true;
  readonly o?: ListedOptions;
  readonly background?: true;
  readonly json?: true;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
// The kernel may cache for a day what it was told, because only this mount changes the image.
const DAY = 86_400_000;

function listed(text: string, before: ListedOptions | undefined): ListedOptions {
  try {
    return parseListed(text, before);
  } catch (error) {
    throw error instanceof RangeError ? new InvalidArgumentError(error.message) : error;
  }
}

// The first signal unmounts. If that fails because programs use the mount, the next signal unmounts by force.
async function untilUnmounted(mounted: FuseMount): Promise<void> {
  let force = false;
  const end = (): void => {
    mounted.unmount({ force }).catch((error: unknown) => {
      force = true;
      const isBusy = error instanceof DaxError && error.code === 'EBUSY';
      console.error(`node-dax: ${isBusy ? `a program uses ${mounted.directory}: a second ^C takes it away from it` : String(error)}`);
    });
  };
  for (const name of SIGNALS) process.on(name, end);
  try {
    await mounted.closed;
  } finally {
    for (const name of SIGNALS) process.off(name, end);
  }
}

async function serve(device: BlockDevice, image: string, directory: string, options: Options, told: (pid: number, at: string) => Promise<void>): Promise<void> {
  const { readOnly = false, ...listedOptions } = { ...options.o, ...(options.readOnly === true && { readOnly: true }) };
  const warnings = { onWarning: (message: string) => { console.error(`node-dax: ${image}: ${message}`); } };
  const fs = inPlace('mount', image, () => mount(device, { readOnly, mountPoint: directory, ...warnings }), { EINVAL: () => noFilesystem(device) });
  try {
    const onError = (error: unknown): void => { console.error('node-dax:', error); };
    const mounted = await mountFuse(fs, directory, { ...listedOptions, readOnly: fs.readOnly, source: image, cacheMs: DAY, onError });
    await told(process.pid, mounted.directory);
    await untilUnmounted(mounted);
  } finally {
    fs.unmount();
  }
}

async function inForeground(image: string, directory: string, options: Options, command: Command): Promise<void> {
  checkUnused(image, 'mount', 'end that first');
  const readOnly = options.readOnly === true || options.o?.readOnly === true;
  await withRegion(image, options, command, { readOnly }, (device) =>
    serve(device, image, directory, options, async (pid, at) => {
      if (isBackground()) await tell({ mounted: pid });
      else if (options.json === true) await print([[toJson({ image, directory: at, pid })]]);
      else await print([[`${image} is mounted on ${at}: ^C, or \`node-dax umount\`, ends it`]]);
    }),
  );
}

export function mountCommand(): Command {
  return imageCommand('mount', 'Mount the ext2 of an image or device on a directory, for every program, without the kernel\'s ext2')
    .argument('<directory>', 'where: what is in it is hidden meanwhile')
    .option('--read-only', 'change nothing')
    .option('-o <options>', 'options of mount(8): allow_other, ro, noexec, nosuid, nodev, noatime and the like', listed)
    .addOption(new Option('--foreground', 'serve it until it is unmounted (default)').conflicts('background'))
    .option('--background', 'end once it is mounted, and serve it in a process of its own')
    .option('--json', 'print JSON')
    .action(async (image: string, directory: string, options: Options, command: Command) => {
      if (isBackground()) {
        await inForeground(image, directory, options, command).catch(async (error: unknown) => {
          if (process.connected) await tell({ error: error instanceof Error ? error.message : String(error) });
          process.exitCode = 1;
        });
      } else if (options.background === true) {
        const pid = await startInBackground();
        if (options.json === true) await print([[toJson({ image, directory, pid })]]);
      } else await inForeground(image, directory, options, command);
    });
}
