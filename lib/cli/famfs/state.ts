// Owns the commands about a famfs as a whole: `famfs mkfs`, `info` and `check`.

import type { Command } from 'commander';
import { mkfsFamfs, type Famfs } from 'node-dax/famfs';
import { checked } from '../arguments.js';
import { print, type Line } from '../output.js';
import { toJson } from '../json.js';
import { checkUnused } from '../permission.js';
import { persistentInWords } from '../persistent.js';
import { parseSize } from '../../vm/size.js';
import { at, famfsCommand, hostOptions, withDevice, withFamfs, type HostOptions } from './memory.js';

interface Options extends HostOptions {
  json?: true;
}

interface MkfsOptions extends Options {
  log?: number;
  size?: number;
  force?: true;
}

function lines(facts: object): Line[] {
  return Object.entries(facts).map(([name, value]) => [`${`${name}:`.padEnd(14)}${String(value)}`]);
}

export function mkfsCommand(): Command {
  return famfsCommand('mkfs', 'Make an empty famfs, with this host as its master')
    .option('--log <bytes>', 'size of the log, a power of two (default: 8M, room for 15,420 files)', checked(parseSize))
    .option('--size <bytes>', 'make a file of that size, for trials, if nothing exists there', checked(parseSize))
    .option('-F, --force', 'proceed even if the device carries content, which is lost')
    .option('--json', 'print JSON')
    .action(async (path: string, options: MkfsOptions, command: Command) => {
      const { log, size, force = false } = options;
      checkUnused(path, 'famfs mkfs');
      await withDevice(path, command, { ...(size !== undefined && { size }) }, async (device) => {
        const wanted = { ...hostOptions(options), force, ...(log !== undefined && { logLength: log }) };
        const superblock = at(command, path, undefined, () => mkfsFamfs(device, wanted));
        if (options.json === true) await print([[toJson({ device: path, ...superblock })]]);
        else await print([[`${path}: a famfs was made`], ...lines(superblock)]);
      });
    });
}

function facts(famfs: Famfs): object {
  const { superblock, role, entries, capacity, devices, persistent } = famfs;
  const { blockSize, blocks, freeBlocks } = famfs.statfs();
  return { ...superblock, role, entries, capacity, devices: devices.length, units: blocks, freeUnits: freeBlocks, unit: blockSize, persistent };
}

export function infoCommand(): Command {
  return famfsCommand('info', 'Show what a famfs is: format, sizes, its master, how full its log and its memory are')
    .option('--json', 'print JSON')
    .action(async (path: string, options: Options, command: Command) => {
      await withFamfs(path, options, command, true, async (famfs) => {
        await print(options.json === true ? [[toJson({ device: path, ...facts(famfs) })]] : lines({ ...facts(famfs), persistent: persistentInWords(famfs.persistent) }));
      });
    });
}

export function checkCommand(): Command {
  return famfsCommand('check', 'Check superblock, log and extents; exit status 1 if there is an error')
    .option('--json', 'print JSON')
    .action(async (path: string, options: Options, command: Command) => {
      await withFamfs(path, options, command, true, async (famfs) => {
        const { damage, unknown, entries, superblock } = famfs;
        const { blockSize, blocks } = famfs.statfs();
        const cut = superblock.deviceSize > blocks * blockSize ? { claimed: superblock.deviceSize, found: blocks * blockSize } : undefined;
        const isSound = damage === undefined && unknown === undefined && cut === undefined;
        if (!isSound) process.exitCode = 1;
        if (options.json === true) await print([[toJson({ device: path, entries, isSound, damage, unknown, cut })]]);
        else await print([[`${path}: ${entries} entries`], ...complaints({ damage, unknown, cut }), ...(isSound ? [['nothing is wrong']] : [])]);
      });
    });
}

interface Complaints extends Pick<Famfs, 'damage' | 'unknown'> {
  cut: { claimed: number; found: number } | undefined;
}

function complaints({ damage, unknown, cut }: Complaints): Line[] {
  return [
    ...(damage === undefined ? [] : [[`entry ${damage.entry ?? '-'}: ${damage.field}: ${damage.message}`]]),
    ...(unknown === undefined ? [] : [[`entry ${unknown.entry}: type ${unknown.type} is not known (${unknown.count} such entries)`]]),
    ...(cut === undefined ? [] : [[`it was made for ${cut.claimed} bytes, and the device has ${cut.found}`]]),
  ];
}
