// Runs what README's section "Install" says, as it stands, in a Debian that has nothing but Node and git:
// `try-install.mjs TARBALL [--only TEXT]… [--node VERSION]`, as root, with debootstrap. TARBALL is what `npm pack` made. A registry that
// stands in for npm's has it, and a repository in the root is what git gets for the address in the README. Rows with one TEXT of `--only` run alone.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { must, run, setUpNode, withRoot } from './bare-root.mjs';

const checkout = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values, positionals: [tarball] } = parseArgs({
  allowPositionals: true,
  options: { only: { type: 'string', multiple: true, default: [''] }, node: { type: 'string', default: '24' } },
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
const DENO = 'deno run --allow-read --allow-write --allow-env --allow-sys --allow-ffi program.js';
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
  { says: ['bun add node-dax', 'bun program.js'], brings: global('bun'), does: ['bun add node-dax', 'bun program.js'] },
  { says: ['deno add npm:node-dax', DENO], brings: global('deno'), does: ['deno add npm:node-dax', DENO], files: { 'program.js': FILES['program.mjs'] } },
  {
    says: ['npm install --save-dev typescript @types/node', '`"types": ["node"]`'],
    does: [ADD, 'npm install --save-dev typescript @types/node', 'npx tsc'],
    prints: '',
  },
  {
    says: ['--external:node-dax'],
    does: [ADD, 'npx esbuild program.mjs --bundle --platform=node --format=esm --external:node-dax --outfile=main.mjs', 'node main.mjs'],
  },
  { says: ['`externals` of webpack'], does: [`${ADD} && npm install webpack webpack-cli`, 'npx webpack', 'node dist/main.js'] },
  { says: ['`external` of rollup'], does: [`${ADD} && npm install rollup`, 'npx rollup --config', 'node dist/main.mjs'] },
  {
    says: [PREBUILT, 'NODE_DAX_ADDON', 'by the program itself'],
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
    says: ['`--allow-addons`', '`--allow-fs-read` for the folder of node-dax and for that of each path that is opened'],
    does: [ADD, 'node --permission --allow-addons --allow-fs-read="$PWD" --allow-fs-write="$PWD" program.js'],
  },
  {
    says: ['npx node-gyp rebuild --directory node_modules/node-dax/native', 'with g++, make and python3'],
    does: [ADD, 'rm -r node_modules/node-dax/prebuilds', COMPILER, 'npx node-gyp rebuild --directory node_modules/node-dax/native', 'node program.js'],
  },
  { says: [FROM_GIT], does: [COMPILER, `npm install ${GIT}`, 'node program.js'] },
  {
    says: [FROM_GIT, 'pnpm asks for allowBuilds'],
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
  { says: [FROM_GIT], brings: global('yarn1'), does: [COMPILER, `yarn add ${GIT}`, 'node program.js'] },
  {
    says: [FROM_GIT, 'yarn 4 for approvedGitRepositories'],
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

/** Whether the README says it, and it does what is said. */
function passes(root, { says, does, brings = 'true', files = {}, prints = 'persistent memory' }, index, registry) {
  const missing = says.filter((text) => !section.includes(text));
  if (missing.length > 0) {
    console.log(`the README does not say: ${missing.join(', ')}`);
    return false;
  }
  const folder = `/srv/project-${index}`;
  mkdirSync(join(root, folder));
  const all = { 'package.json': '{ "name": "project", "private": true }', '.npmrc': `registry=${registry}\n`, ...FILES, ...files };
  for (const [name, content] of Object.entries(all)) writeFileSync(join(root, folder, name), content);
  // Whoever reads answers what npx asks.
  const env = { npm_config_yes: 'true', YARN_NPM_REGISTRY_SERVER: registry, YARN_UNSAFE_HTTP_WHITELIST: '127.0.0.1', YARN_ENABLE_TELEMETRY: '0', NO_COLOR: '1' };
  const status = run(root, folder, `${brings}\nset -ex\n{\n${does.join('\n')}\n} >output\n`, env);
  const output = readFileSync(join(root, folder, 'output'), 'utf8');
  console.log(output);
  return status === 0 && output.split('\n').some((line) => line.startsWith(prints));
}

const registry = spawn(process.execPath, [join(checkout, 'scripts/stand-in-registry.mjs'), resolve(tarball)], { stdio: ['pipe', 'pipe', 'inherit'] });
const [line] = await once(registry.stdout.setEncoding('utf8'), 'data');
const address = line.trim();
const results = [];
withRoot((root) => {
  setUpNode(root, values.node);
  if (run(root, '/srv', `apt-get update && ${FIRST}`, {}) !== 0) throw new Error('no git');
  makeRepository(root);
  run(root, '/srv', 'git config --system url.file:///srv/node-dax.insteadOf https://example.org/OWNER/node-dax.git', {});
  for (const [index, row] of ROWS.entries()) {
    const title = `${row.says.join(', ')}${row.brings === undefined ? '' : ` (${row.brings})`}`;
    if (!values.only.some((text) => title.includes(text))) continue;
    console.log(`== ${title}`);
    results.push([passes(root, row, index, address), title]);
  }
});
registry.stdin.end();
for (const [ok, title] of results) console.log(`${ok ? 'ok' : 'not ok'} ${title}`);
process.exitCode = results.length > 0 && results.every(([ok]) => ok) ? 0 : 1;
