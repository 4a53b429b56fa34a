// Owns the command `ext2 check`: it prints what is wrong with a filesystem, the most important first.

import type { Command } from 'commander';
import { check, describeFinding, type CheckReport, type FindingClass } from 'node-dax/ext2';
import { toJson } from '../../json.js';
import { parseCount } from '../../arguments.js';
import { imageCommand, inPlace, syscallOf, withRegion, type Region } from '../image/image.js';
import { print } from '../../output.js';

interface Options extends Region {
  limit: number;
  json?: true;
}

const WORDS: Readonly<Record<FindingClass, readonly [one: string, many: string]>> = {
  error: ['error', 'errors'],
  leak: ['leak', 'leaks'],
  count: ['wrong count', 'wrong counts'],
  unclean: ['note', 'notes'],
};

function summary({ isClean, totals, usedInodes, usedBlocks, directories }: CheckReport): string {
  const use = `${usedInodes} inodes and ${usedBlocks} blocks in use, ${directories} directories`;
  if (isClean) return `clean: ${use}`;
  const kinds = (Object.keys(WORDS) as FindingClass[]).filter((kind) => totals[kind] > 0);
  const found = kinds.map((kind) => `${totals[kind]} ${WORDS[kind][totals[kind] === 1 ? 0 : 1]}`).join(', ');
  const advice = totals.error > 0 ? 'do not write to it before e2fsck has mended it' : 'it can be used; e2fsck gives back what is lost';
  return `${found}; ${use}\n${advice}`;
}

async function act(image: string, options: Options, command: Command): Promise<void> {
  const { limit } = options;
  await withRegion(image, options, command, { readOnly: true }, async (device) => {
    const report = inPlace(syscallOf(command), image, () => check(device, { limit }), {
      EINVAL: 'there is no ext2 in it: `node-dax ext2 info` says more',
    });
    if (!report.isClean) process.exitCode = 1;
    if (options.json === true) {
      const findings = report.findings.map((finding) => ({ ...finding, text: describeFinding(finding) }));
      await print([[toJson({ image, ...report, findings })]]);
      return;
    }
    await print(report.findings.map((finding) => [`${finding.class.padEnd(8)}${describeFinding(finding)}`]));
    await print([[`${image}: ${summary(report)}`]]);
  });
}

export function checkCommand(): Command {
  return imageCommand('check', 'Look for errors, as `e2fsck -fn` does; changes nothing')
    .option('--limit <count>', 'show at most so many findings of each class', parseCount(0), 100)
    .option('--json', 'print JSON')
    .addHelpText('after', `
Classes of findings: error (do not write to it before e2fsck has repaired it); leak (unused space is marked as taken);
count (a count is out of date); unclean (it was not unmounted).

Exit status: 0 for a filesystem without errors, 1 for one with errors or that could not be checked, 2 for wrong usage.`)
    .action(act);
}
