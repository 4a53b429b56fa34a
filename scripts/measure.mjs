// Repeats the measurements that the documents show: `npm run measure [-- --repeats N --only NAME]`. Results go to
// benchmarks/results/NAME.json, each with its command in it, and the pictures that documents show to docs/images/. The tables in
// docs/benchmarking.md and docs/guest-figures.md are made from the results. It takes half an hour or more, and nothing else should
// run on the machine. `--only none` measures nothing and only makes the tables.

import { spawnSync } from 'node:child_process';
import { closeSync, copyFileSync, mkdirSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fromFio } from '../dist/lib/bench/report/fio-json.js';
import { speedTable } from '../dist/lib/bench/report/tables.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({ options: { repeats: { type: 'string' }, only: { type: 'string', default: '' } } });

// Relative, so no path of the machine is in a result; the guest's working directory is this one too.
const bench = 'node dist/lib/cli/main.js bench';
const repeats = (usual) => `--repeats ${values.repeats ?? usual}`;
// Under emulation compilers take their time, and so do page faults.
const guestJobs = `--size 16M --rw randread --rw randwrite --bs 4k --bs 64k --runtime 300ms --ramp_time 1s ${repeats(3)}`;

// `pictures`: those of `bench --svg` that are kept.
const RESULTS = {
  tmpfs: { where: 'host', command: `${bench} /dev/shm/node-dax-measure --size 256M --preset quick ${repeats(9)} --json`, pictures: ['ratio-randread-4k-2', 'bandwidth-read-2'] },
  'guest-ext4': { where: 'guest', command: `${bench} $NODE_DAX_TEST_EXT4/file ${guestJobs} --json`, pictures: ['ratio-randwrite-4k-1'] },
  'guest-devdax': { where: 'guest', command: `${bench} $NODE_DAX_TEST_DEVDAX ${guestJobs} --yes-overwrite --json`, pictures: [] },
  'guest-pmem': { where: 'guest', command: `${bench} $NODE_DAX_TEST_PMEM ${guestJobs} --yes-overwrite --json`, pictures: [] },
};

function run(command, args, stdio) {
  const { status } = spawnSync(command, args, { cwd: root, stdio });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`);
}

// What stands between `<!-- NAME -->` and `<!-- end -->`: the tables of a result, without the columns that a page has no room for.
const SHOWN = ['driver', 'IOPS', 'bandwidth', 'p50', 'p99'];

function tables(name) {
  const [report] = fromFio(readFileSync(join(root, 'benchmarks', 'results', `${name}.json`), 'utf8'));
  const lines = [`\`${report.command}\`, ${report.rounds === 1 ? 'one round' : `${report.rounds} rounds`}, ${report.started.slice(0, 10)}:`];
  for (const { name: job, groups } of report.results) {
    for (const group of groups) {
      const { head, rows } = speedTable(group);
      const columns = head.map((word, index) => ({ word, index })).filter(({ word }) => SHOWN.includes(word) || word.startsWith('×'));
      const line = (cells) => `| ${cells.join(' | ')} |`;
      lines.push('', `**${job}**: ${group.done}.`, '');
      lines.push(line(columns.map(({ word }) => word)), line(columns.map(() => '---')));
      lines.push(...rows.map((row) => line(columns.map(({ index }) => row[index]))));
    }
  }
  return lines.join('\n');
}

function document(name) {
  const path = join(root, 'docs', name);
  const text = readFileSync(path, 'utf8');
  const made = text.replaceAll(/(<!-- ([\w-]+) -->\n)[^]*?(\n<!-- end -->)/g, (_, start, name, end) => `${start}${tables(name)}${end}`);
  writeFileSync(path, made);
}

function measure(name, { where, command, pictures }) {
  const path = join(root, 'benchmarks', 'results', `${name}.json`);
  console.error(`${name}: ${command}`);
  const out = openSync(`${path}.new`, 'w');
  const vm = [join(root, 'dist', 'lib', 'cli', 'main.js'), 'vm', '--timeout', '7200', '--', 'sh', '-c', command];
  if (where === 'guest') run(process.execPath, vm, ['ignore', out, 'inherit']);
  else run('sh', ['-c', command], ['ignore', out, 'inherit']);
  closeSync(out);
  writeFileSync(`${path}.new`, `${JSON.stringify(JSON.parse(readFileSync(`${path}.new`, 'utf8')))}\n`);
  renameSync(`${path}.new`, path); // an interrupted run leaves the result of before
  const drawn = mkdtempSync(join(tmpdir(), 'node-dax-measure-'));
  run(process.execPath, [join(root, 'dist', 'lib', 'cli', 'main.js'), 'bench', '--from', path, '--svg', drawn], ['ignore', 'ignore', 'inherit']);
  for (const picture of pictures) copyFileSync(join(drawn, `${picture}.svg`), join(root, 'docs', 'images', `${name}-${picture}.svg`));
  rmSync(drawn, { recursive: true });
}

for (const folder of [['benchmarks', 'results'], ['docs', 'images']]) mkdirSync(join(root, ...folder), { recursive: true });
for (const [name, result] of Object.entries(RESULTS)) if (name.includes(values.only)) measure(name, result);
for (const name of ['benchmarking.md', 'guest-figures.md']) document(name);
