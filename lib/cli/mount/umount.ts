// Owns the command `umount`: it takes a mount away, and waits until the image is whole.

import { readFileSync, realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { DaxError, openSync } from 'node-dax';
import { unmountFuse } from 'node-dax/fuse';

const TYPE = 'fuse.node-dax';
// Milliseconds between looks at whether the server is done.
const STEP = 20;

const unescaped = (text: string): string => Buffer.from(text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8))), 'latin1').toString();

/** The image of the latest mount of ours on a directory. */
function imageOf(directory: string): string | undefined {
  const sources = readFileSync('/proc/self/mountinfo', 'latin1').split('\n').flatMap((line) => {
    const [, , , , at = ''] = line.split(' ');
    const [type, source = ''] = line.slice(line.indexOf(' - ') + 3).split(' ');
    return type === TYPE && unescaped(at) === directory ? [unescaped(source)] : [];
  });
  return sources.at(-1);
}

// A dead mount is no file that could be looked at.
function realPath(directory: string): string {
  try {
    return realpathSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTCONN') return directory;
    throw error;
  }
}

// Who serves it has it locked until it is clean.
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
    .description('Unmount what `node-dax mount` has mounted, and wait until the image is whole')
    .argument('<directory>', 'where it is mounted')
    .option('--force', 'also while programs use it, which get errors from then on, and where what served it is dead')
    .action(async (directory: string, { force = false }: { force?: boolean }) => {
      const path = realPath(directory);
      const image = imageOf(path);
      if (image === undefined) {
        throw new DaxError({ errno: 'EINVAL', syscall: 'umount', path: directory, hint: '`node-dax mount` has mounted nothing there' });
      }
      await unmountFuse(path, { force });
      // Where it was taken away from programs, they have it until they are done.
      if (!force) await untilWhole(image);
    });
}
