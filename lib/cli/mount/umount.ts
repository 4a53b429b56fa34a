// Owns the command `umount`: it unmounts, and waits until the image is whole.

import { readFileSync, realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { DaxError, openSync } from 'node-dax';
import { unmountFuse } from 'node-dax/fuse';

const TYPE = 'fuse.node-dax';
// Milliseconds between two checks whether the server is done.
const STEP = 20;

const unescaped = (text: string): string => Buffer.from(text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8))), 'latin1').toString();

/** The image of the latest mount of node-dax on a directory. */
function imageOf(directory: string): string | undefined {
  const sources = readFileSync('/proc/self/mountinfo', 'latin1').split('\n').flatMap((line) => {
    const [, , , , at = ''] = line.split(' ');
    const [type, source = ''] = line.slice(line.indexOf(' - ') + 3).split(' ');
    return type === TYPE && unescaped(at) === directory ? [unescaped(source)] : [];
  });
  return sources.at(-1);
}

// The path of a dead mount cannot be resolved, and is taken as it is.
function realPath(directory: string): string {
  try {
    return realpathSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTCONN') return directory;
    throw error;
  }
}

// Waits until the image can be locked: the process that serves it holds its lock until the filesystem is clean.
async function untilWhole(image: string): Promise<void> {
  for (;;) {
    try {
      openSync(image, { readOnly: true, lock: true }).closeSync();
      return;
    } catch (error) {
      if (!(error instanceof DaxError) || error.code !== 'EBUSY') return;
      await sleep(STEP);
    }
  }
}

export function umountCommand(): Command {
  return new Command('umount')
    .description('Unmount what `node-dax mount` has mounted, and wait until the image is complete')
    .argument('<directory>', 'the directory on which it is mounted')
    .option('--force', 'unmount even if programs use it, which then get errors, or if the process that served it is dead')
    .action(async (directory: string, { force = false }: { force?: boolean }) => {
      const path = realPath(directory);
      const image = imageOf(path);
      if (image === undefined) {
        throw new DaxError({ errno: 'EINVAL', syscall: 'umount', path: directory, hint: '`node-dax mount` has mounted nothing there' });
      }
      await unmountFuse(path, { force }).catch((error: unknown) => {
        // What serves it may have unmounted it at the same time.
        if (imageOf(path) !== undefined) throw error;
      });
      // After a forced unmount the image may stay in use, so there is no wait.
      if (!force) await untilWhole(image);
    });
}
