// Runs what README's section "Install" says, as it stands, in a Debian that has nothing but Node and git:
// `try-install.mjs TARBALL [--short] [--only TEXT]… [--node VERSION]`, as root, with debootstrap. TARBALL is what `npm pack` made. A
// registry that stands in for npm's has it, and a repository in the root is what git gets for the address in the README. With `--short`
// rows that are `long`, or `held` by a suite, are left out; with `--only`, those that have no such TEXT. What the README says is checked of
// every row. Prints TAP; what the commands print goes to standard error.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { must, run, setUpNode, withRoot } from './bare-root.mjs';

const checkout = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values, positionals: [tarball] } = parseArgs({
  allowPositionals: true,
  options: { short: { type: 'boolean', default: false }, only: { type: 'string', multiple: true, default: [''] }, node: { type: 'string', default: '24' } },
});

const ROUND_TRIP = `
const device = openSync('file', { size: 65536 });
device.writeSync(Buffer.from('persistent memory'), 4090);
device.persist(4090, 17);
console.log(Buffer.from(device.view(4090, 17)).toString());
device.closeSync();
`;
const FILES = {
  'program.js': `const { openSync } = require('node-dax');\n${ROUND_TRIP}`,
  'program.cjs': `const { openSync } = require('node-dax');\n${ROUND_TRIP}`,
  'program.mjs': `import { openSync } from 'node-dax';\n${ROUND_TRIP}`,
  'named.mjs': `process.env.NODE_DAX_ADDON = new URL('node_dax.glibc.node', import.meta.url).pathname;\nconst { openSync } = await import('node-dax');\n${ROUND_TRIP}`,
  'typed.ts': `import { openSync, type DaxDevice } from 'node-dax';\nconst device: DaxDevice = openSync('file', { size: 65536 });\ndevice.closeSync();\n`,
  'tsconfig.json': '{ "compilerOptions": { "strict": true, "noEmit": true, "target": "es2022", "module": "nodenext", "types": ["node"] }, "files": ["typed.ts"] }',
  'webpack.config.js': `module.exports = { mode: 'production', target: 'node', entry: './program.js', externals: { 'node-dax': 'commonjs node-dax' } };\n`,
  'rollup.config.mjs': `export default { input: 'program.mjs', external: ['node-dax'], output: { file: 'dist/main.mjs' } };\n`,
};

const FROM_GIT = 'npm install git+https://github.com/OWNER/node-dax.git';
// As the README's but for the host: of GitHub's, npm and pnpm take an archive of the commit, which nothing stands in for here.
const GIT = 'git+https://example.org/OWNER/node-dax.git';
const ADD = 'npm install node-dax';
const COMPILER = 'apt-get install --yes --no-install-recommends g++ make python3';
const FIRST = 'apt-get install --yes --no-install-recommends ca-certificates git';
const MANAGERS = { pnpm: 'pnpm@12', yarn1: 'yarn@1', yarn4: '@yarnpkg/cli-dist@4', bun: 'bun@1', deno: 'deno@2' };
const global = (name) => `npm install --global --force --allow-scripts=bun,deno ${MANAGERS[name]}`;
const DENO = 'deno run --allow-read --allow-write --allow-env --allow-sys --allow-ffi';
const PREBUILT = 'prebuilds/linux-x64/node_dax.glibc.node';

// What the README says, and what a reader does with it. The first rows have no compiler.
const ROWS = [
  { says: [ADD], does: [ADD, 'node program.js', 'node program.mjs', 'npx node-dax --help'] },
  { says: ['pnpm add node-dax'], brings: global('pnpm'), does: ['pnpm add node-dax', 'node program.js'] },
  { says: ['yarn add node-dax', '1 or 4'], brings: global('yarn1'), does: ['yarn add node-dax', 'node program.js'] },
  {
    says: ['yarn add node-dax', '1 or 4'],
    brings: global('yarn4'),
    does: ['yarn add node-dax', 'yarn node program.js'],
    files: { 'yarn.lock': '' },
  },
  { says: ['bun add node-dax', 'bun program.js'], brings: global('bun'), does: ['bun add node-dax', 'bun program.js', 'bun program.mjs'] },
  {
    says: ['deno add npm:node-dax', `${DENO} program.js`],
    brings: global('deno'),
    does: ['deno add npm:node-dax', `${DENO} program.js`, `${DENO} program.cjs`],
    files: { 'program.js': FILES['program.mjs'] },
  },
  {
    says: ['npm install --save-dev typescript @types/node', '`"types": ["node"]`'],
    does: [ADD, 'npm install --save-dev typescript @types/node', 'npx tsc'],
  },
  {
    says: ['--external:node-dax'],
    held: 'test/packaging/bundlers',
    does: [ADD, 'npx esbuild program.mjs --bundle --platform=node --format=esm --external:node-dax --outfile=main.mjs', 'node main.mjs'],
  },
  { says: ['`externals` of webpack'], held: 'test/packaging/bundlers', does: [`${ADD} && npm install webpack webpack-cli`, 'npx webpack', 'node dist/main.js'] },
  { says: ['`external` of rollup'], held: 'test/packaging/bundlers', does: [`${ADD} && npm install rollup`, 'npx rollup --config', 'node dist/main.mjs'] },
  {
    says: [PREBUILT, 'NODE_DAX_ADDON', 'let the program set it'],
    held: 'test/packaging/bundlers',
    does: [
      ADD,
      'npx esbuild program.js --bundle --platform=node --outfile=out/main.js',
      'npx esbuild named.mjs --bundle --platform=node --format=esm --outfile=out/named.mjs --banner:js="import { createRequire } from \'node:module\'; const require = createRequire(import.meta.url); const __filename = \'/\';"',
      `cp node_modules/node-dax/${PREBUILT} out/`,
      'NODE_DAX_ADDON=$PWD/out/node_dax.glibc.node node out/main.js',
      'rm -r node_modules',
      'NODE_DAX_ADDON=$PWD/out/node_dax.glibc.node node out/main.js',
      'node out/named.mjs',
    ],
  },
  {
    says: ['`--allow-addons`', '`--allow-fs-read` for the folder of node-dax and for the folder of each path that is opened'],
    held: 'test/packaging/other-nodes',
    does: [ADD, 'node --permission --allow-addons --allow-fs-read="$PWD" --allow-fs-write="$PWD" program.js'],
  },
  {
    says: ['npx node-gyp rebuild --directory node_modules/node-dax/native', 'with g++, make and python3'],
    held: 'test/packaging/packaging.test',
    does: [ADD, 'rm -r node_modules/node-dax/prebuilds', COMPILER, 'npx node-gyp rebuild --directory node_modules/node-dax/native', 'node program.js'],
  },
  { says: [FROM_GIT], held: 'test/packaging/from-git', does: [COMPILER, `npm install ${GIT}`, 'node program.js'] },
  {
    says: [FROM_GIT, 'pnpm asks for allowBuilds'],
    long: true,
    brings: global('pnpm'),
    // As pnpm says when it refuses: by address and commit.
    does: [
      COMPILER,
      `commit=$(git ls-remote ${GIT.replace('git+', '')} HEAD | cut -f 1)`,
      `printf 'allowBuilds:\\n  node-dax@${GIT}#%s: true\\n' "$commit" >pnpm-workspace.yaml`,
      `pnpm add ${GIT}`,
      'node program.js',
    ],
  },
  { says: [FROM_GIT], long: true, brings: global('yarn1'), does: [COMPILER, `yarn add ${GIT}`, 'node program.js'] },
  {
    says: [FROM_GIT, 'yarn 4 for approvedGitRepositories'],
    long: true,
    brings: global('yarn4'),
    does: [COMPILER, `yarn add node-dax@${GIT}`, 'yarn node program.js'],
    files: { 'yarn.lock': '', '.yarnrc.yml': 'approvedGitRepositories:\n  - "**"\n' },
  },
];

const readme = readFileSync(join(checkout, 'README.md'), 'utf8');
// A sentence of it goes on in the next line.
const section = /^## Install\n(.*?)^## /ms.exec(readme)[1].replaceAll(/\n +/g, ' ');

function makeRepository(root) {
  const repository = join(root, 'srv/node-dax');
  mkdirSync(repository);
  for (const file of must('git', ['-C', checkout, 'ls-files', '-z']).split('\0')) {
    if (file !== '') cpSync(join(checkout, file), join(repository, file));
  }
  const git = (...args) => must('git', ['-C', repository, '-c', 'user.name=node-dax', '-c', 'user.email=node-dax@localhost', ...args]);
  git('init', '--quiet');
  git('add', '.');
  git('commit', '--quiet', '--message', 'all');
}

// A command that ends by printing what ROUND_TRIP prints.
const PROGRAM = /^(?:\w+=\S+ )?(?:node|yarn node|bun|deno run) .*\.[cm]?js$/;

/** Whether each command succeeds, each program prints what it is to print, and nothing is compiled or left to be but by a compiler. */
function passes(root, { does, brings = 'true', files = {} }, index, registry) {
  const folder = `/srv/project-${index}`;
  mkdirSync(join(root, folder));
  const all = { 'package.json': '{ "name": "project", "private": true }', '.npmrc': `registry=${registry}\n`, ...FILES, ...files };
  for (const [name, content] of Object.entries(all)) writeFileSync(join(root, folder, name), content);
  // Whoever reads answers what npx asks.
  const env = { npm_config_yes: 'true', YARN_NPM_REGISTRY_SERVER: registry, YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1', YARN_ENABLE_TELEMETRY: '0', NO_COLOR: '1' };
  const status = run(root, folder, `${brings}\nset -ex\n{\n${does.join('\n')}\n} >output 2>&1\n`, env);
  const output = readFileSync(join(root, folder, 'output'), 'utf8');
  console.error(output);
  const printed = output.split('\n').filter((line) => line === 'persistent memory').length;
  const isLeftAlone = does.includes(COMPILER) || !/gyp|node-dax.*(?:built|scripts)/i.test(output);
  return status === 0 && printed === does.filter((command) => PROGRAM.test(command)).length && isLeftAlone;
}

let points = 0;
function tell(ok, title) {
  points++;
  console.log(`${ok ? 'ok' : 'not ok'} ${points} - ${title}`);
  if (!ok) process.exitCode = 1;
}

const chosen = [...ROWS.entries()].filter(([, { says, brings, held, long }]) => {
  const title = [...says, brings].join();
  return !(values.short && (held !== undefined || long)) && values.only.some((text) => title.includes(text));
});
if (chosen.length === 0) throw new Error('no row is called so');
const registry = spawn(process.execPath, [join(checkout, 'scripts/stand-in-registry.mjs'), resolve(tarball)], { stdio: ['pipe', 'pipe', 'inherit'] });
const [line] = await once(registry.stdout.setEncoding('utf8'), 'data');
const address = line.trim();

console.log('TAP version 14');
for (const { says, held } of ROWS) {
  tell(says.every((text) => section.includes(text)), `the README says: ${says.join(', ')}`);
  if (held !== undefined) tell(existsSync(join(checkout, `${held}.ts`)), `${held} is there`);
}
withRoot((root) => {
  setUpNode(root, values.node);
  if (chosen.some(([, { says }]) => says.includes(FROM_GIT))) {
    if (run(root, '/srv', `apt-get update && ${FIRST}`, {}) !== 0) throw new Error('no git');
    makeRepository(root);
    run(root, '/srv', 'git config --system url.file:///srv/node-dax.insteadOf https://example.org/OWNER/node-dax.git', {});
  } else if (chosen.some(([, { does }]) => does.includes(COMPILER)) && run(root, '/srv', 'apt-get update', {}) !== 0) throw new Error('no package lists');
  for (const [index, row] of chosen) {
    const title = `${row.does.join('; ')}${row.brings === undefined ? '' : ` (${row.brings})`}`;
    console.error(`== ${title}`);
    tell(passes(root, row, index, address), title);
  }
});
console.log(`1..${points}`);
registry.stdin.end();
