// Owns the commands that show files of a famfs: `famfs ls`, `tree` and `stat`.

import { Argument, type Command } from 'commander';
import type { FamfsInode } from 'node-dax/famfs';
import { each } from '../trees/failures.js';
import { baseName, printable, toPath, toPaths } from '../trees/names.js';
import { print, type Line } from '../output.js';
import { toJson } from '../json.js';
import { below, childrenOf, inJson, inLetters, inWords } from './found.js';
import { at, famfsCommand, withFamfs, type HostOptions } from './memory.js';

interface Options extends HostOptions {
  long?: true;
  json?: true;
}

const DIRECTORY = new Argument('[path]', 'the directory, or a file').argParser(toPath).default(Buffer.from('/'), '/');

function nameOf({ bytes }: FamfsInode): Uint8Array {
  return printable(baseName(bytes));
}

export function lsCommand(): Command {
  return famfsCommand('ls', 'List the entries of a directory')
    .addArgument(DIRECTORY)
    .option('-l, --long', 'with type and permissions, owner, group and size')
    .option('--json', 'print JSON')
    .action(async (device: string, path: Buffer, options: Options, command: Command) => {
      await withFamfs(device, options, command, true, async (famfs) => {
        const top = at(command, device, path, () => famfs.resolve(path));
        const found = top.isDirectory ? [...childrenOf(famfs, top)] : [top];
        if (options.json === true) await print([[toJson(found.map((inode) => inJson(famfs, inode)))]]);
        else await print(found.map((inode): Line => (options.long === true ? [inLetters(famfs, inode), ' ', nameOf(inode)] : [nameOf(inode)])));
      });
    });
}

export function treeCommand(): Command {
  return famfsCommand('tree', 'Show everything below a directory, indented')
    .addArgument(DIRECTORY)
    .option('--json', 'print JSON: a list of paths')
    .action(async (device: string, path: Buffer, options: Options, command: Command) => {
      await withFamfs(device, options, command, true, async (famfs) => {
        const top = at(command, device, path, () => famfs.resolve(path));
        const found = top.isDirectory ? below(famfs, top) : [{ inode: top, depth: 0 }];
        if (options.json === true) await print([[toJson(Array.from(found, ({ inode }) => inJson(famfs, inode)))]]);
        else await print(Array.from(found, ({ inode, depth }): Line => ['  '.repeat(depth), nameOf(inode), inode.isDirectory ? '/' : '']));
      });
    });
}

export function statCommand(): Command {
  return famfsCommand('stat', 'Show everything about files: permissions, size, and where they lie')
    .argument('<path...>', 'the files', toPaths)
    .option('--json', 'print JSON')
    .action(async (device: string, paths: Buffer[], options: Options, command: Command) => {
      await withFamfs(device, options, command, true, async (famfs) => {
        const found: FamfsInode[] = [];
        await each(paths, (path) => { found.push(at(command, device, path, () => famfs.resolve(path))); });
        if (options.json === true) await print([[toJson(found.map((inode) => inJson(famfs, inode)))]]);
        else await print(found.flatMap((inode) => inWords(famfs, inode)));
      });
    });
}
