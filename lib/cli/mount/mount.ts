// Owns the command `mount`: it serves an ext2 or a famfs as a directory to every program until it is unmounted.

import { InvalidArgumentError, Option, type Command } from 'commander';
import { contentOf, DaxError, openSync } from 'node-dax';
import { mount } from 'node-dax/ext2';
import { mountFamfs } from 'node-dax/famfs';
import { mountFuse, type FuseFilesystem, type FuseInode, type FuseMount } from 'node-dax/fuse';
import { IMAGE_ADVICE, imageCommand, inPlace, noFilesystem, withRegion, type Region } from '../ext2/image/image.js';
import { toJson } from '../json.js';
import { print } from '../output.js';
import { checkUnused } from '../permission.js';
import { isBackground, startInBackground, tell } from './background.js';
import { followMaster } from './follow-master.js';
import { isSynchronous, parseListed, type ListedOptions } from './options.js';

interface Options extends Region {
  readonly readOnly?: true;
  readonly o?: ListedOptions;
  readonly background?: true;
  readonly systemUuidFile?: string;
  readonly json?: true;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
// The kernel may cache for a day what it was told, because it is told of every change.
const DAY = 86_400_000;

function listed(text: string, before: ListedOptions | undefined): ListedOptions {
  try {
    return parseListed(text, before);
  } catch (error) {
    throw error instanceof RangeError ? new InvalidArgumentError(error.message) : error;
  }
}

// The first signal unmounts. If that fails because programs use the mount, the next signal unmounts by force. No signal ends the process
// itself: the filesystem must be made clean first.
function unmountAtSignals(mounted: FuseMount): void {
  let force = false;
  const end = (): void => {
    mounted.unmount({ force }).catch((error: unknown) => {
      force = true;
      const isBusy = error instanceof DaxError && error.code === 'EBUSY';
      console.error(`node-dax: ${isBusy ? `a program uses ${mounted.directory}: a second ^C takes it away from it` : String(error)}`);
    });
  };
  for (const name of SIGNALS) process.on(name, end);
}

/** What is to be served, and where. */
interface Serving {
  readonly image: string;
  readonly directory: string;
  readonly options: Options;
  readonly command: Command;
}

interface Unmountable {
  readonly readOnly: boolean;
  unmount(): void;
}

async function serve<I extends FuseInode>({ image, directory, options }: Serving, fs: FuseFilesystem<I> & Unmountable): Promise<void> {
  const onError = (error: unknown): void => { console.error('node-dax:', error); };
  try {
    const mounted = await mountFuse(fs, directory, { ...options.o, readOnly: fs.readOnly, source: image, cacheMs: DAY, onError });
    unmountAtSignals(mounted);
    if (isBackground()) await tell({ mounted: process.pid });
    else if (options.json === true) await print([[toJson({ image, directory: mounted.directory, pid: process.pid })]]);
    else await print([[`${image} is mounted on ${mounted.directory}: ^C, or \`node-dax umount\`, ends it`]]);
    await mounted.closed;
  } finally {
    fs.unmount();
  }
}

async function serveExt2(serving: Serving, readOnly: boolean): Promise<void> {
  const { image, directory, options, command } = serving;
  await withRegion(image, options, command, { readOnly }, async (device) => {
    const writeBack = !isSynchronous(options.o);
    const fs = inPlace('mount', image, () => mount(device, { readOnly, writeBack, mountPoint: directory, onWarning: warningOf(image) }), { EINVAL: () => noFilesystem(device) });
    await serve(serving, fs);
  });
}

// No lock on the image: a famfs is shared, and `mountFamfs` takes the locks that it needs.
async function serveFamfs(serving: Serving, readOnly: boolean): Promise<void> {
  const { image, options } = serving;
  const { systemUuidFile } = options;
  const host = { ...(readOnly && { readOnly }), ...(systemUuidFile !== undefined && { systemUuidFile }), onWarning: warningOf(image) };
  const device = inPlace('mount', image, () => openSync(image, { readOnly }));
  try {
    const fs = inPlace('mount', image, () => mountFamfs(device, host));
    const stopFollowing = followMaster(fs, warningOf(image));
    await serve(serving, fs).finally(stopFollowing);
  } finally {
    await device.close();
  }
}

function warningOf(image: string): (message: string) => void {
  return (message) => { console.error(`node-dax: ${image}: ${message}`); };
}

function isFamfs(image: string): boolean {
  const device = inPlace('mount', image, () => openSync(image, { readOnly: true }), IMAGE_ADVICE);
  try {
    return contentOf(device).signature === 'famfs';
  } finally {
    device.closeSync();
  }
}

async function inForeground(serving: Serving): Promise<void> {
  const { image, options, command } = serving;
  checkUnused(image, 'mount', 'end that first');
  const readOnly = options.readOnly === true || options.o?.readOnly === true;
  if (options.offset === undefined && options.size === undefined && isFamfs(image)) {
    await serveFamfs(serving, readOnly);
  } else if (options.systemUuidFile !== undefined) {
    command.error(`error: --system-uuid-file is for a famfs, and ${image} has none at its beginning`, { exitCode: 2 });
  } else {
    await serveExt2(serving, readOnly);
  }
}

export function mountCommand(): Command {
  return imageCommand('mount', 'Mount the ext2 or famfs of an image or device on a directory, for every program, without a module of the kernel')
    .argument('<directory>', "where to mount it; the directory's own content is hidden meanwhile")
    .option('--read-only', 'change nothing')
    .option('-o <options>', 'options of mount(8): allow_other, ro, noexec, nosuid, nodev, noatime and the like', listed)
    .addOption(new Option('--foreground', 'serve the mount until it is unmounted (default)').conflicts('background'))
    .option('--background', 'return once it is mounted, and serve it in a process of its own')
    .option('--system-uuid-file <path>', "for a famfs: the file with this host's UUID (default: /opt/famfs/system_uuid)")
    .option('--json', 'print JSON')
    .action(async (image: string, directory: string, options: Options, command: Command) => {
      if (isBackground()) {
        await inForeground({ image, directory, options, command }).catch(async (error: unknown) => {
          if (process.connected) await tell({ error: error instanceof Error ? error.message : String(error) });
          process.exitCode = 1;
        });
      } else if (options.background === true) {
        const pid = await startInBackground();
        if (options.json === true) await print([[toJson({ image, directory, pid })]]);
      } else await inForeground({ image, directory, options, command });
    });
}
