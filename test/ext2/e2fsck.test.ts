// The judge knows what e2fsck may say after a power cut from what it may not: on images that debugfs broke.

import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { E2fsckJudge, e2fsckMissing, judge } from '../helpers/e2fsck.js';

const missing = e2fsckMissing();
const folder = mkdtempSync(join(tmpdir(), 'node-dax-e2fsck-test-'));
t.teardown(() => { rmSync(folder, { recursive: true }); });

function run(command: string, args: readonly string[], input?: string): { status: number; output: string } {
  const { status, stdout, error } = spawnSync(command, args, {
    encoding: 'latin1',
    env: { ...process.env, LC_ALL: 'C' },
    ...(input !== undefined && { input }),
  });
  if (error !== undefined) throw error;
  return { status: status ?? -1, output: stdout };
}

/** 512 KiB with some files: /f of five blocks, /g of twenty, /A/C, /B. */
function makeBase(): string {
  const path = join(folder, 'base');
  const files = [5000, 20000].map((size) => {
    const file = join(folder, `content-${size}`);
    writeFileSync(file, Buffer.alloc(size, 'x'));
    return file;
  });
  writeFileSync(path, Buffer.alloc(512 * 1024));
  run('mke2fs', ['-q', '-F', '-t', 'ext2', '-b', '1024', '-N', '64', '-O', '^resize_inode', path]);
  const commands = [`write ${files[0] ?? ''} f`, `write ${files[1] ?? ''} g`, 'mkdir A', 'mkdir A/C', 'mkdir B'];
  run('debugfs', ['-w', '-f', '-', path], `${commands.join('\n')}\n`);
  return path;
}

/** The base, broken by debugfs. */
function broken(base: string, commands: readonly string[]): string {
  const path = join(folder, 'broken');
  copyFileSync(base, path);
  run('debugfs', ['-w', '-f', '-', path], `${commands.join('\n')}\n`);
  return path;
}

const ALLOWED: [commands: string[], kinds: string[]][] = [
  [[], []],
  [['ssv state 0'], []],
  [['ssv free_blocks_count 100', 'ssv free_inodes_count 3'], ['free counts']],
  [['set_bg 0 free_blocks_count 7', 'set_bg 0 used_dirs_count 9'], ['free counts']],
  [['setb 400 3', 'setb 410', 'seti <40>'], ['free counts', 'marked but not in use']],
  [['sif f links_count 5'], ['references too high']],
  [['unlink f'], ['unattached']],
  [['unlink f', 'sif <12> links_count 0'], ['marked but not in use', 'unattached']],
  [
    ['unlink f', 'unlink g', 'sif <12> links_count 0', 'sif <13> links_count 0', 'sif <12> dtime @13', 'ssv last_orphan 12'],
    ['marked but not in use', 'orphans', 'unattached'],
  ],
  [['unlink B'], ['references too high', 'unattached']],
  [['ln f f2', 'sif f links_count 2'], []],
  [['ln B A/B2', 'sif B links_count 3'], ['both names']],
  [['ln A/C D', 'sif D links_count 3'], ['both names']],
  [['sif f blocks 4'], ['i_blocks']],
  [['sif f size 1024'], ['i_size']],
];

const BREACHES: [commands: string[], breach: RegExp][] = [
  [['freeb 40'], /^Block bitmap differences: {2}\+40$/],
  [['freeb 40', 'setb 400'], /^Block bitmap differences: {2}\+40 -400$/],
  [['freei <12>'], /^Inode bitmap differences: {2}\+12$/],
  [['sif f block[0] 50'], /^Multiply-claimed block\(s\) in inode 12: 50$/],
  [['clri <12>'], /^Entry 'f' in \/ \(2\) has deleted\/unused inode 12\. {2}Clear\? no$/],
  [['sif f links_count 0'], /^Entry 'f' in \/ \(2\) has deleted\/unused inode 12\. {2}Clear\? no$/],
  [['sif f block[0] 99999'], /^Illegal block #0 \(99999\) in inode 12\. {2}IGNORED\.$/],
  [['sif g block[IND] 99999'], /^exit status 12$/],
  [['zap_block -f A 0'], /^Directory inode \d+, block #0, offset 0: directory corrupted$/],
  [['ln f f2'], /^Inode 12 ref count is 1, should be 2\. {2}Fix\? no$/],
  [['ln A/C D'], /^Inode \d+ ref count is 2, should be 3\. {2}Fix\? no$/],
  [['sif <16> block[0] 0'], /^Directory inode 16 has an unallocated block #0\.|^First entry|^Missing/],
  [['sif f mode 0120644'], /^Symlink \/f \(inode #12\) is invalid\.$/],
  // A parent that is no parent of it, under no second name.
  [['ln A/C D', 'unlink A/C'], /^'\.\.' in \/D \(15\) is \/A \(14\), should be \/ \(2\)\.$/],
];

t.test('what it may say', { skip: missing ?? false }, (t) => {
  const base = makeBase();
  for (const [commands, kinds] of ALLOWED) {
    const { status, output } = run('e2fsck', ['-fn', broken(base, commands)]);
    const verdict = judge(output, status);
    t.strictSame(verdict.breaches, [], commands.join('; '), { output });
    t.strictSame(verdict.allowed, kinds, commands.join('; '), { output });
    t.equal(judge(output, status, true).breaches.length > 0, kinds.length > 0, 'where nothing may be left');
  }
  t.end();
});

t.test('what it may not say', { skip: missing ?? false }, (t) => {
  const base = makeBase();
  for (const [commands, breach] of BREACHES) {
    const { status, output } = run('e2fsck', ['-fn', broken(base, commands)]);
    const { breaches } = judge(output, status);
    t.ok(breaches.some((line) => breach.test(line)), commands.join('; '), { output, breaches });
  }
  t.end();
});

t.test('what nobody has heard it say is a breach', (t) => {
  t.strictSame(judge('Something new.\n', 0).breaches, ['Something new.']);
  t.strictSame(judge('', 8).breaches, ['exit status 8']);
  t.strictSame(judge('', 4).breaches, ['exit status 4 without a complaint']);
  t.end();
});

t.test('many images', { skip: missing ?? false }, async (t) => {
  const base = makeBase();
  const sound = readFileSync(base);
  const leaky = readFileSync(broken(base, ['setb 400']));
  const bad = readFileSync(broken(base, ['freeb 40']));
  const judges = new E2fsckJudge();
  for (let index = 0; index < 300; index++) {
    await judges.add(index % 100 === 77 ? bad : index % 2 === 0 ? sound : leaky, `image ${index}`);
  }
  await judges.finish();
  t.equal(judges.judged, 300);
  t.equal(judges.counts.get('marked but not in use'), 147);
  t.strictSame(judges.breaches.map(({ label }) => label).sort(), ['image 177', 'image 277', 'image 77']);
  t.ok(judges.breaches.every(({ image }) => bad.equals(image)));
  const garbage = new E2fsckJudge();
  await garbage.add(Buffer.alloc(65536, 'x'), 'garbage');
  await garbage.finish();
  t.strictSame(garbage.breaches.map(({ status }) => status), [8]);
});
