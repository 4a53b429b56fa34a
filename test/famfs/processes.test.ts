// Several processes on one memory: a master adds while clients follow; and a master that is killed.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';
import { contentFor, contentOf } from '../helpers/famfs-content.js';
import { makeFamfs, MIB, python, pythonMissing, sha256, walk } from '../helpers/famfs-image.js';
import { amount } from '../helpers/thorough.js';

const MAIN = join(__dirname, '..', 'helpers', 'famfs-main.js');

function start(how: 'client' | 'master', path: string, uuidFile: string, count: number): ChildProcess {
  return spawn(process.execPath, [MAIN, how, path, uuidFile, String(count)], { stdio: ['ignore', 'pipe', 'pipe'] });
}

function output(child: ChildProcess): { text: () => string; until: (wanted: string) => Promise<void> } {
  let text = '';
  const arrived = new Set<() => void>();
  const tell = (): void => { for (const wake of arrived) wake(); };
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => { text += data.toString(); tell(); });
  child.on('close', tell);
  const until = async (wanted: string): Promise<void> => {
    while (!text.includes(wanted) && child.exitCode === null && child.signalCode === null) {
      await new Promise<void>((resolve) => {
        const wake = (): void => { arrived.delete(wake); resolve(); };
        arrived.add(wake);
      });
    }
  };
  return { text: () => text, until };
}

t.test('clients see every file of a master with its contents, in order', { timeout: 900_000 }, async (test) => {
  const count = amount({ short: 50, thorough: 2000, long: 10_000 });
  const { path, uuidFile, mount } = makeFamfs(test, (12 + 2 * count) * MIB);
  const clients = [0, 1].map(() => start('client', path, uuidFile, count));
  test.teardown(() => { for (const client of clients) client.kill('SIGKILL'); });
  const outputs = clients.map(output);
  const ended = clients.map((client) => once(client, 'close'));
  await Promise.all(outputs.map(({ until }) => until('ready')));
  const famfs = mount();
  for (let index = 0; index < count; index++) {
    const content = contentFor(index);
    famfs.create(`f${index}`, content.length, { fill: (file) => { file.writeSync(content, 0); } });
  }
  await Promise.all(ended);
  for (const { text } of outputs) test.equal(text(), `ready\nseen ${count}\n`);
  famfs.unmount();
});

t.test('a master that is killed leaves a log that is whole', { timeout: 300_000 }, async (test) => {
  const kills = amount({ short: 3, thorough: 10, long: 40 });
  const { path, uuidFile, mount } = makeFamfs(test, 6000 * MIB);
  let entries = 0;
  for (let kill = 0; kill < kills; kill++) {
    const child = start('master', path, uuidFile, 2900);
    const { until } = output(child);
    await until('0\n');
    child.kill('SIGKILL');
    await once(child, 'close');
    const famfs = mount({ onWarning: (message) => { test.fail(message); } });
    test.ok(famfs.entries > entries || entries === 2900, `${famfs.entries} entries`);
    const files = walk(famfs);
    test.equal(files.size, famfs.entries);
    for (let index = entries; index < famfs.entries; index++) {
      if (!contentOf(famfs, famfs.resolve(`f${index}`)).equals(contentFor(index))) test.fail(`file ${index}`);
    }
    entries = famfs.entries;
    famfs.unmount();
  }
  if (pythonMissing === false) {
    const told = python('read', path) as { entries: { path: string; sha256: string }[] };
    const wanted = Array.from({ length: entries }, (_, index) => ({ path: `f${index}`, sha256: sha256(contentFor(index)) }));
    test.strictSame(told.entries.map(({ path: name, sha256: digest }) => ({ path: name, sha256: digest })), wanted, 'to another reader too');
  }
});

t.test('a client that follows ends with its signal', async (test) => {
  const { mount } = makeFamfs(test);
  const famfs = mount();
  const controller = new AbortController();
  const seen: string[] = [];
  const following = (async () => {
    for await (const inode of famfs.follow(controller.signal, { everyMs: 0 })) {
      seen.push(inode.path);
      controller.abort();
    }
  })();
  const other = mount({ lock: false });
  other.mkdir('new');
  await test.rejects(following, { name: 'AbortError' });
  test.strictSame(seen, ['/new']);
  await test.rejects(famfs.follow(undefined, { everyMs: -1 }).next(), RangeError);
});
