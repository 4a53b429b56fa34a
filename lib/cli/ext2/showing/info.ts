// Owns the command `ext2 info`: it prints the facts in the superblock, and why the filesystem cannot be mounted if it cannot.

import type { Command } from 'commander';
import { DaxError, type BlockDevice } from 'node-dax';
import { EXT2_MAGIC, readSuperblock, SUPERBLOCK_POS, SUPERBLOCK_SIZE, type Superblock } from '../../../ext2/format/disk.js';
import { geometryOf } from '../../../ext2/format/geometry.js';
import { toJson } from '../../json.js';
import { describe, historyLines, layoutLines } from './describe.js';
import { imageCommand, inPlace, noFilesystem, syscallOf, withRegion, type Region } from '../image/image.js';
import { print } from '../../output.js';
import { persistentInWords } from '../../persistent.js';

interface Options extends Region {
  json?: true;
}

/** Reads the superblock without checking it. Throws `EINVAL` if there is none. */
function superblockOf(device: BlockDevice): Superblock {
  const bytes = new Uint8Array(SUPERBLOCK_SIZE);
  if (device.size >= SUPERBLOCK_POS + SUPERBLOCK_SIZE) device.readSync(bytes, SUPERBLOCK_POS);
  const sb = readSuperblock(bytes);
  if (sb.s_magic !== EXT2_MAGIC) throw new DaxError({ errno: 'EINVAL', syscall: 'ext2 info', hint: noFilesystem(device) });
  return sb;
}

/** Why the filesystem cannot be mounted; undefined if it can. */
function whyNot(sb: Superblock, size: number): string | undefined {
  try {
    geometryOf(sb, size);
    return undefined;
  } catch (error) {
    if (!(error instanceof DaxError)) throw error;
    return error.hint;
  }
}

export function infoCommand(): Command {
  return imageCommand('info', 'Show what a filesystem is: sizes, features, state, times')
    .option('--json', 'print JSON')
    .action(async (image: string, options: Options, command: Command) => {
      await withRegion(image, options, command, { readOnly: true }, async (device) => {
        const sb = inPlace(syscallOf(command), image, () => superblockOf(device));
        const unusable = whyNot(sb, device.size);
        if (options.json === true) {
          await print([[toJson({ image, ...describe(sb), persistent: device.persistent, ...(unusable !== undefined && { unusable }) })]]);
          return;
        }
        const kept = `${'persistent:'.padEnd(12)}${persistentInWords(device.persistent)}`;
        const refusal = unusable === undefined ? [] : [`${'unusable:'.padEnd(12)}${unusable}`];
        await print([...layoutLines(sb), ...historyLines(sb), kept, ...refusal].map((line) => [line]));
      });
    });
}
