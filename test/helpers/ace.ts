// Owns the workloads of the ACE generator in their j-lang text: parsed into operations on a tree.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TreeOperation } from './tree-model.js';

export interface AceWorkload {
  readonly name: string;
  /** What is there before the power may go. */
  readonly setup: readonly TreeOperation[];
  readonly operations: readonly TreeOperation[];
  /** Operations that ext2 does not have, as the text has them. */
  readonly refused: readonly string[];
}

// Names run together: Afoo is A/foo, ACbar is A/C/bar, AC is A/C.
function pathOf(name: string): string {
  const match = /^(AC|A|B)?(foo|bar)?$/.exec(name);
  if (match === null || name === '') throw new Error(`a name that is not known: ${name}`);
  const [, folder, file] = match;
  return [folder === 'AC' ? 'A/C' : folder, file].filter((part) => part !== undefined).join('/');
}

let fill = 0;

function bytes(length: number): Uint8Array {
  fill = (fill % 200) + 1;
  return new Uint8Array(length).fill(fill);
}

/** Parses one workload. Throws for what it does not know. */
export function parseAce(name: string, text: string): AceWorkload {
  const run = /^# run\n([^]*)/m.exec(text)?.[1];
  if (run === undefined) throw new Error(`${name} has no run`);
  const setup: TreeOperation[] = [];
  const operations: TreeOperation[] = [];
  const refused: string[] = [];
  const directories = new Set<string>();
  const files = new Set<string>();
  let isMarked = false;
  for (const line of run.split('\n')) {
    const [verb = '', first = '', ...rest] = line.trim().split(/\s+/);
    const add = (operation: TreeOperation) => (isMarked ? operations : setup).push(operation);
    switch (verb) {
      case '':
      case 'close':
      case 'opendir':
      case 'none':
      case 'checkpoint':
        break;
      case 'mark':
        isMarked = true;
        break;
      case 'open':
        if (!files.has(pathOf(first))) add({ kind: 'create', path: pathOf(first) });
        files.add(pathOf(first));
        break;
      case 'mkdir':
        directories.add(pathOf(first));
        add({ kind: 'mkdir', path: pathOf(first) });
        break;
      case 'write':
      case 'dwrite':
        add({ kind: 'write', path: pathOf(first), pos: Number(rest[0]), bytes: bytes(Number(rest[1])) });
        break;
      case 'truncate':
        add({ kind: 'truncate', path: pathOf(first), size: Number(rest[0]) });
        break;
      case 'link':
      case 'rename':
        add({ kind: verb, from: pathOf(first), to: pathOf(rest[0] ?? '') });
        break;
      case 'unlink':
      case 'rmdir':
        add({ kind: verb, path: pathOf(first) });
        break;
      case 'remove':
        add({ kind: directories.has(pathOf(first)) ? 'rmdir' : 'unlink', path: pathOf(first) });
        break;
      case 'falloc':
        refused.push(line.trim());
        break;
      default:
        throw new Error(`${name}: ${line}`);
    }
  }
  return { name, setup, operations, refused };
}

/** Where the workloads are kept, beside the project. */
export const ACE_CORPUS = join(__dirname, '..', '..', '..', '..', 'shared', 'corpora', 'ace-seq1-56.tar.xz');

/** All of them, in the order of their numbers. */
export function aceWorkloads(): AceWorkload[] {
  const folder = mkdtempSync(join(tmpdir(), 'node-dax-ace-'));
  try {
    const { status, stderr } = spawnSync('tar', ['-xJf', ACE_CORPUS, '-C', folder], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`tar: ${stderr}`);
    const files = join(folder, 'seq1', 'j-lang-files');
    const names = readdirSync(files).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    return names.map((name) => parseAce(name, readFileSync(join(files, name), 'utf8')));
  } finally {
    rmSync(folder, { recursive: true });
  }
}
