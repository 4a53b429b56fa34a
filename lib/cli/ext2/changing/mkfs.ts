// Owns the command `ext2 mkfs`: it decides whether the image may be formatted, formats it, and prints what was made.

import { closeSync, existsSync, ftruncateSync, openSync, unlinkSync } from 'node:fs';
import type { Command } from 'commander';
import { DaxError } from 'node-dax';
import { mkfs, type Layout, type Superblock } from 'node-dax/ext2';
import { parseCount } from '../../arguments.js';
import { interruptible } from '../../interruption.js';
import { toJson } from '../../json.js';
import { checkMakeable, checkUnsigned, checkUnused } from '../../permission.js';
import { withProgress } from '../../progress.js';
import { describe, layoutLines } from '../showing/describe.js';
import { imageCommand, inPlace, syscallOf, withRegion, type Region } from '../image/image.js';
import { print } from '../../output.js';

interface Options extends Region, Pick<Layout, 'label' | 'uuid' | 'blockSize' | 'inodeSize' | 'inodes'> {
  reserved?: number;
  force?: true;
  json?: true;
}

const ADVICE = {
  EINVAL: 'it has no room for so many inodes: ask for fewer with -N',
  ENOSPC: 'it is too small for a filesystem: make it larger',
};

function parsePercent(text: string): number {
  return /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) : NaN;
}

/** Makes the image, a sparse file, if it does not exist. Returns whether it made it. */
function create(image: string, { offset = 0, size }: Region, command: Command): boolean {
  if (existsSync(image)) return false;
  inPlace(syscallOf(command), image, () => {
    checkMakeable(image);
  });
  if (size === undefined) command.error(`error: ${image} does not exist: --size BYTES makes it`, { exitCode: 2 });
  if (size === 0) command.error(`error: ${image} does not exist: to make it, --size must be more than 0`, { exitCode: 2 });
  const fd = openSync(image, 'wx');
  try {
    ftruncateSync(fd, offset + size);
  } finally {
    closeSync(fd);
  }
  return true;
}

async function format(image: string, options: Options, isNew: boolean, command: Command, signal: AbortSignal): Promise<Superblock> {
  const { label, uuid, blockSize, inodeSize, inodes, reserved, force = false, offset, size } = options;
  const region = { ...(offset !== undefined && { offset }), ...(size !== undefined && { size }) };
  const syscall = syscallOf(command);
  if (!force) checkUnused(image, syscall);
  return withRegion(image, region, command, { force }, async (device) => {
    // A new image has no signature, and on tmpfs looking for one would fill its holes.
    if (!force && !isNew) checkUnsigned(device, image, syscall);
    return withProgress('formatting {bar} {percentage} %', (show) =>
      inPlace(
        syscall,
        image,
        () =>
          mkfs(device, {
            ...(label !== undefined && { label }),
            ...(uuid !== undefined && { uuid }),
            ...(blockSize !== undefined && { blockSize }),
            ...(inodeSize !== undefined && { inodeSize }),
            ...(inodes !== undefined && { inodes }),
            ...(reserved !== undefined && { reservedPercent: reserved }),
            // The check above has been made unless the user gave --force.
            force: true,
            zeroed: isNew,
            onProgress: (done) => {
              signal.throwIfAborted();
              show(done, 1, '');
            },
          }),
        ADVICE,
      ),
    );
  });
}

async function act(image: string, options: Options, command: Command): Promise<void> {
  const isNew = create(image, options, command);
  let sb;
  try {
    sb = await interruptible((signal) => format(image, options, isNew, command, signal));
  } catch (error) {
    // If another program has locked the file meanwhile, it belongs to that program.
    if (isNew && !(error instanceof DaxError && error.code === 'EBUSY')) unlinkSync(image);
    // A RangeError is about the options: nothing was written.
    if (error instanceof RangeError) command.error(`error: ${error.message}`, { exitCode: 2 });
    throw error;
  }
  if (options.json === true) await print([[toJson({ image, ...describe(sb) })]]);
  else await print([[`${image}: an ext2 filesystem was made`], ...layoutLines(sb).map((line) => [`  ${line}`])]);
}

export function mkfsCommand(): Command {
  return imageCommand('mkfs', 'Make an ext2 filesystem, and with --size the image for it', 'how much of it to use (default: all); an image that does not exist is made with this size')
    .option('-L, --label <text>', 'its label, of at most 16 bytes')
    .option('-U, --uuid <uuid>', 'its UUID (default: a random one)')
    .option('-m, --reserved <percent>', 'percentage of the blocks reserved for root (default: 5)', parsePercent)
    .option('-b, --block-size <bytes>', '1024, 2048 or 4096 (default: 4096, below 512 MiB 1024)', parseCount(1))
    .option('-I, --inode-size <bytes>', '128 or 256 (default: 256)', parseCount(1))
    .option('-N, --inodes <count>', 'maximum number of files (default: by size)', parseCount(1))
    .option('-F, --force', 'proceed even if it is mounted, held by another or carries content, which is lost')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nOptions that are left out default to what mke2fs chooses for the size.')
    .action(act);
}
