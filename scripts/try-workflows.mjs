// Runs a job's own commands as they stand, in a Debian that has nothing: `try-workflows.mjs WORKFLOW JOB [--except TEXT]… [--instead TEXT=COMMAND]… [--node VERSION]`,
// as root, with debootstrap. `try-workflows.mjs test lint`. Actions are done by hand: checkout copies what git knows, setup-node
// unpacks Node of the registry, download-artifact copies prebuilds/ of this checkout, the action of this repository runs its steps.
// A matrix stands for the first of each of its lists. What a container is to run runs in the root, which has what the image `node:VERSION-DEBIAN` has.
// What needs GitHub's own machine, or holds the TEXT of `--except`, is named and left out. COMMAND runs in place of a step that holds TEXT.

import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { must, run, setUpNode, withRoot } from './bare-root.mjs';

const checkout = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values, positionals: [workflow, job] } = parseArgs({
  allowPositionals: true,
  options: {
    except: { type: 'string', multiple: true, default: [] },
    instead: { type: 'string', multiple: true, default: [] },
    node: { type: 'string', default: '20' },
  },
});
const replacements = values.instead.map((pair) => /^([^=]+)=(.+)$/s.exec(pair)?.slice(1) ?? fail(`--instead ${pair}: write TEXT=COMMAND`));
const HOSTED = /\budevadm\b/;
const CONTAINER = /^docker run .*?"\$\w+" /;

function fail(message) {
  console.error(`node-dax: ${message}`);
  process.exit(2);
}

function read(path) {
  return parse(readFileSync(join(checkout, path), 'utf8'));
}

function copyCheckout(root) {
  for (const file of must('git', ['-C', checkout, 'ls-files', '-z']).split('\0')) {
    if (file !== '') cpSync(join(checkout, file), join(root, 'checkout', file));
  }
}

const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
const { jobs } = read(`.github/workflows/${workflow}.yml`);
const github = { CI: 'true', GITHUB_ACTIONS: 'true', GITHUB_REF_NAME: `v${version}` };

// The first of each list, and what goes with them.
function firstOf({ include = [], ...lists }) {
  const first = Object.fromEntries(Object.entries(lists).map(([name, [value]]) => [name, value]));
  const fits = (more) => Object.entries(more).every(([name, value]) => !(name in first) || first[name] === value);
  return { ...first, ...include.find(fits) };
}

const matrix = firstOf(jobs[job].strategy?.matrix ?? {});
const [, imageNode, codename] = /^node:(\d+)-(\w+)$/.exec(matrix.image) ?? [];
const expand = (text) => text.replaceAll(/\$\{\{ matrix\.(\w+) \}\}/g, (_, name) => matrix[name]);

function tell(what, name) {
  console.log(`== ${what}: ${name}`);
}

function runStep(root, title, command, env) {
  const status = run(root, '/checkout', command, { ...github, ...env });
  if (status !== 0) throw new Error(`${title}: exit status ${status}`);
}

function perform(root, steps, env = {}) {
  for (const { name, uses, run: command, env: own = {} } of steps) {
    const title = name ?? uses ?? command;
    const variables = { ...env, ...Object.fromEntries(Object.entries(own).map(([key, value]) => [key, expand(value)])) };
    const instead = replacements.find(([text]) => command?.includes(text))?.[1];
    if (uses?.startsWith('actions/checkout@')) copyCheckout(root);
    else if (uses?.startsWith('actions/setup-node@')) setUpNode(root, values.node);
    else if (uses?.startsWith('./')) {
      perform(root, read(join(uses, 'action.yml')).runs.steps, { GITHUB_ACTION_PATH: join('/checkout', uses), GITHUB_OUTPUT: '/tmp/output' });
    } else if (uses?.startsWith('actions/download-artifact@')) cpSync(join(checkout, 'prebuilds'), join(root, 'checkout/prebuilds'), { recursive: true });
    else if (instead !== undefined) {
      tell(`in place of ${title}`, instead);
      runStep(root, instead, instead, variables);
    } else if (command === undefined || HOSTED.test(command) || values.except.some((text) => command.includes(text))) tell('left out', title);
    else {
      tell('runs', title);
      runStep(root, title, expand(command).replace(CONTAINER, ''), variables);
    }
  }
}

try {
  withRoot((root) => {
    mkdirSync(join(root, 'checkout'));
    if (codename !== undefined) {
      setUpNode(root, imageNode);
      runStep(root, matrix.image, 'apt-get update && apt-get install --yes --no-install-recommends g++ make python3', {});
    }
    perform(root, jobs[job].steps);
  }, codename);
  tell('fine', `${workflow} ${job}`);
} catch (error) {
  tell('failed', error.message);
  process.exitCode = 1;
}
