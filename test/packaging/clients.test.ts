// Programs of the registry that take an `fs`, and programs that require `node:fs`: each does the same on ext2 that the kernel has
// mounted and on one in persistent memory, in a process of its own, with the same result and the same tree, which the kernel then
// reads in the second image too. A watchdog proves that the second process touches nothing on the host.

import { randomUUID } from 'node:crypto';
import nodeFs from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { openSync } from 'node-dax';
import { mkfsSync } from 'node-dax/ext2';
import t, { type Test } from 'tap';
import { e2fsckMissing } from '../helpers/e2fsck.js';
import { kernelMount, loopMountMissing, withKernelMount } from '../helpers/kernel-mount.js';
import { BROKEN, SIZE_OF_OURS, type ClientRequest } from './client-main.js';
import { clients, digestsOf, populate, treeOf } from './clients.js';
import { ALL, ROOT, run, temporaryFolder, testWith, type Outcome } from './consumer.js';
import { servedRepository } from './git-server.js';
import { ended, notWatched, watched } from './host-calls.js';
import { patchedClients } from './patched-clients.js';

const PACKAGES = [
  'archiver@7.0.1', 'chokidar@4.0.3', 'enhanced-resolve@5.27.0', 'fast-glob@3.3.3', 'fs-extra@11.3.2', 'glob@11.1.0', 'globby@11.1.0', 'graceful-fs@4.2.11',
  'isomorphic-git@1.44.19', 'memfs@4.80.1', 'mkdirp@1.0.4', 'proper-lockfile@4.1.2', 'rimraf@6.0.1', 'rollup@4.53.0', 'send@1.2.0', 'serve-static@2.2.0',
  'tar-fs@3.1.3', 'tar-stream@3.1.7', 'tinyglobby@0.2.17', 'unionfs@4.6.0', 'unzipper@0.12.3', 'webpack@5.113.0', 'write-file-atomic@6.0.0',
];
// Programs that write nothing, and so need no free block.
const READERS = ['fast-glob', 'glob', 'globby', 'tinyglobby', 'enhanced-resolve', 'unionfs', 'send', 'serve-static'];
// `isomorphic-git, few commits` is the same.
const NOT_ON_FULL = ['isomorphic-git'];
// What a program asks the host whatever it is given.
const OWN_LOOKS: Readonly<Record<string, RegExp>> = {
  // Whether the working directory is one, and whether the pattern is the name of one.
  globby: /^\d+ +statx\(/,
  // Which browsers a project is for: browserslist looks for the file that says so.
  webpack: /^\d+ +(?:statx\(AT_FDCWD, "\/tmp\/node-dax-canary-\w+"|(?:access|openat)\(.*\/tmp\/node-dax-canary-\w+(?:\/(?:package\.json|\.?browserslistrc|\.browserlistrc|browsers?list))?")/,
};
const MAIN = join(__dirname, 'client-main.js');

// The examples of docs/fs.md that need programs of the registry, in a project that has them.
function examples(): [code: string, output: string][] {
  const text = nodeFs.readFileSync(join(ROOT, 'docs', 'fs.md'), 'utf8');
  return [...text.matchAll(/```mjs\n(.*?)```\n\n```text\n(.*?)```/gs)].map(([, code = '', output = '']) => [code, output]);
}

/** A directory of ext2 that the kernel has mounted; where it mounts nothing, of whatever the host has. */
function kernelFolder(t: Test, isMounted: boolean): string {
  const folder = temporaryFolder(t, 'clients');
  if (!isMounted) return folder;
  const image = join(folder, 'image');
  const device = openSync(image, { size: SIZE_OF_OURS });
  mkfsSync(device);
  device.closeSync();
  const { root, unmount } = kernelMount(image);
  t.teardown(unmount);
  const below = join(root, 'node-dax-clients');
  nodeFs.mkdirSync(below);
  return below;
}

interface Told {
  readonly result: unknown;
  readonly tree: readonly string[];
}

function toldBy({ stdout }: Outcome): Partial<Told> {
  return stdout === '' ? {} : JSON.parse(stdout) as Told;
}

/** A client on the kernel's ext2, and in persistent memory where the host has another tree under the same name. */
async function onBothSides(t: Test, request: Omit<ClientRequest, 'side' | 'dir' | 'image'>, isMounted: boolean) {
  const host = kernelFolder(t, isMounted);
  const canary = temporaryFolder(t, 'canary');
  // Named as the memory of `openScratch` is, which the watchdog knows.
  const image = `/dev/shm/node-dax-scratch-${randomUUID()}`;
  t.teardown(() => { nodeFs.rmSync(image, { force: true }); });
  const ask = (side: ClientRequest['side'], dir: string) => [MAIN, JSON.stringify({ ...request, side, dir, image } satisfies ClientRequest)];
  populate(nodeFs, canary);
  for (const name of ['first.js', 'second.js', 'deep/third.txt']) nodeFs.writeFileSync(join(canary, 'source', name), 'canary');
  const before = treeOf(nodeFs, canary);
  const theirs = await ended(process.execPath, ask('host', host));
  const ours: Outcome & { calls?: string[] } = notWatched() === undefined
    ? await watched(canary, process.execPath, ask('ours', canary))
    : await ended(process.execPath, ask('ours', canary));
  const readBack = isMounted && ours.status === 0
    ? withKernelMount(image, { options: ['ro'] }, ({ root }) => digestsOf(nodeFs, join(root, canary), canary))
    : undefined;
  return { theirs, ours, before, after: treeOf(nodeFs, canary), readBack };
}

if (ALL) {
  testWith(t, 'programs that work on files', 'clients-3', PACKAGES, (t, modules) => {
    t.setTimeout(1_200_000);
    void t.test('the examples of the documents', (t) => {
      const project = temporaryFolder(t, 'examples');
      const links = join(project, 'node_modules');
      nodeFs.mkdirSync(links);
      nodeFs.symlinkSync(ROOT, join(links, 'node-dax'));
      for (const name of ['fast-glob', 'fs-extra', 'isomorphic-git']) nodeFs.symlinkSync(join(modules, name), join(links, name));
      const found = examples();
      t.ok(found.length > 0);
      for (const [code, output] of found) {
        nodeFs.writeFileSync(join(project, 'example.mjs'), code);
        t.strictSame(run(process.execPath, ['example.mjs'], { cwd: project }), { status: 0, stdout: output, stderr: '' });
      }
      for (const name of nodeFs.readdirSync('/dev/shm')) if (name.startsWith('example')) nodeFs.rmSync(join('/dev/shm', name));
      t.end();
    });
    const notMounted = loopMountMissing();
    if (notMounted !== undefined && process.env['CI'] === 'true') t.fail(notMounted);
    const place = { load: createRequire(join(modules, 'any.js')), modules, url: '', tree: '' };
    const names = [...Object.keys(clients(place)), ...Object.keys(patchedClients(place))];
    for (const name of names) {
      void t.test(name, async (t) => {
        const url = name.startsWith('isomorphic-git') ? await servedRepository(t, temporaryFolder(t, 'served')) : '';
        const { theirs, ours, before, after, readBack } = await onBothSides(t, { name, modules, url }, notMounted === undefined);
        t.strictSame({ status: theirs.status, stderr: theirs.stderr }, { status: 0, stderr: '' }, 'on the host');
        t.strictSame({ status: ours.status, stderr: ours.stderr }, { status: 0, stderr: '' }, 'in persistent memory');
        const [{ result, tree = [] }, expected] = [toldBy(ours), toldBy(theirs)];
        t.strictSame(result, expected.result, 'what it gives');
        t.ok(tree.length > 0);
        t.strictSame(tree, expected.tree, 'the tree');
        t.strictSame(readBack, tree, 'the kernel reads the same in the image', { skip: notMounted ?? false });
        t.strictSame(after, before, 'the tree of the host is as it was');
        const calls = (ours.calls ?? []).filter((line) => OWN_LOOKS[name]?.test(line) !== true);
        t.strictSame(calls, [], 'no system call touched the host', { skip: notWatched() ?? false });
      });
    }
    // On devices with no free block, with one, and so on.
    for (const name of names.filter((name) => !NOT_ON_FULL.includes(name))) {
      void t.test(`${name}, on devices that are full`, { skip: e2fsckMissing() ?? false }, async (t) => {
        const url = name.startsWith('isomorphic-git') ? await servedRepository(t, temporaryFolder(t, 'served')) : '';
        const request: ClientRequest = { name, modules, url, side: 'full', dir: '/work' };
        const { status, stdout, stderr } = await ended(process.execPath, [MAIN, JSON.stringify(request)]);
        // isomorphic-git tells of errors there itself.
        t.equal(status, 0, stderr);
        t.equal(Number(stdout) === 1, READERS.includes(name), `it failed ${Number(stdout) - 1} times, and then had what it needs`);
      });
    }
    for (const name of Object.keys(BROKEN)) {
      void t.test(`the watchdog tells of ${name}`, { skip: notWatched() ?? false }, async (t) => {
        const { ours, before, after } = await onBothSides(t, { name, modules, url: '' }, notMounted === undefined);
        t.equal(ours.status, 0, 'the program itself is content');
        t.ok((ours.calls ?? []).length > 0, 'the system call is told');
        t.equal(JSON.stringify(after) !== JSON.stringify(before), name === 'one who writes on the host', 'and what it wrote is seen');
      });
    }
  });
} else {
  t.pass('programs that work on files', { skip: 'NODE_DAX_TEST_PACKAGING=all fetches them' });
}
