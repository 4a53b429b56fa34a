// The suite: measures each comparison whose name has what was asked for, and prints the ratios.

import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { ofFamfs } from './famfs.js';
import { besideFuse2fs } from './mounts.js';
import { inPairs } from './pairs.js';
import { print, printMarkdown, type Result } from './result.js';
import { atScale, FILES_AT_SCALE } from './scale.js';
import { streamGap } from './stream-gap.js';
import { besideE2fsprogs } from './tools.js';

interface Options {
  json: boolean;
  markdown: boolean;
  pairs: string;
  only: string;
  directory: string;
  files: string;
}

async function main(): Promise<void> {
  const { json, markdown, only, ...values } = new Command('npm run bench --')
    .description('Measures the package against its targets. Exits with 1 where one is missed.')
    .option('--json', 'results as JSON', false)
    .option('--markdown', 'results as a table of Markdown', false)
    .option('--pairs <n>', 'how often each is measured, in turn with its base', '7')
    .option('--only <text>', 'those whose name has it', '')
    .option('--directory <path>', 'where the files are made', '/dev/shm')
    .option('--files <n>', 'files of the comparisons at scale', String(FILES_AT_SCALE))
    .parse()
    .opts<Options>();
  const machine = { cpu: cpus()[0]?.model, cpus: cpus().length, kernel: release(), node: process.version };
  const folder = mkdtempSync(join(values.directory, 'node-dax-bench-'));
  const dispose = (): void => { rmSync(folder, { recursive: true, force: true }); };
  process.once('SIGINT', () => {
    dispose();
    process.exit(130);
  });
  try {
    const pairs = Number(values.pairs);
    const comparisons = [
      ...inPairs(folder, pairs),
      streamGap(folder, pairs),
      ...ofFamfs(folder, pairs),
      ...besideE2fsprogs(folder, pairs),
      ...besideFuse2fs(folder, pairs),
      ...atScale(folder, Number(values.files)),
    ];
    const results: Result[] = [];
    for (const comparison of comparisons.filter(({ name }) => name.includes(only))) {
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${comparison.name}`);
      results.push(await comparison.run());
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    if (json) {
      console.log(JSON.stringify({ machine, results }, null, 2));
    } else {
      console.log(`${machine.cpu ?? ''} (${machine.cpus}), Linux ${machine.kernel}, Node ${machine.node}`);
      (markdown ? printMarkdown : print)(results);
    }
    process.exitCode = results.some((result) => result.verdict === 'missed') ? 1 : 0;
  } finally {
    dispose();
  }
}

void main();
