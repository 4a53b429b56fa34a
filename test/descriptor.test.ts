// Descriptors that node:fs cannot wait for: watched by the event loop, read without waiting, handed over; and ended with their thread.

import { spawnSync } from 'node:child_process';
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs';
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import t from 'tap';
import { DescriptorWatch, exchange, readAvailable, receiveDescriptor, socketPair } from 'node-dax';

t.test('a watch calls as long as there is something to read', async (test) => {
  const [ours, theirs] = socketPair();
  const target = Buffer.alloc(8);
  test.throws(() => readAvailable(-1, target), { name: 'TypeError' });
  let called = 0;
  await new Promise<void>((resolve) => {
    const watch = new DescriptorWatch(ours, () => {
      // The first time it is left there.
      if (++called === 1) return;
      test.equal(readAvailable(ours, target), 3);
      watch.close();
      watch.close();
      resolve();
    });
    writeSync(theirs, 'abc');
  });
  test.equal(called, 2);
  // The watch made it one that does not block.
  test.equal(readAvailable(ours, target), undefined);
  test.equal(readAvailable(ours, target, 1000), undefined);
  closeSync(theirs);
  test.equal(readAvailable(ours, target), 0, 'the end');
  test.equal(receiveDescriptor(ours), undefined);
  closeSync(ours);
  test.throws(() => readAvailable(ours, target), { code: 'EBADF', syscall: 'read' });
});

t.test('a message goes out before the next is read, in one call', (test) => {
  const [ours, theirs] = socketPair();
  const [target, theirTarget] = [Buffer.alloc(8), Buffer.alloc(8)];
  const watch = new DescriptorWatch(ours, () => undefined);
  writeSync(theirs, 'question');
  test.equal(exchange(ours, Buffer.from('answer and more'), 6, target), 8);
  test.equal(target.toString(), 'question');
  test.equal(readAvailable(theirs, theirTarget), 6);
  test.equal(theirTarget.toString('utf8', 0, 6), 'answer');
  test.equal(exchange(ours, Buffer.from('more'), 4, target, 100), undefined, 'nothing comes');
  test.equal(readAvailable(theirs, theirTarget), 4, 'it was sent all the same');
  test.throws(() => exchange(ours, target, 9, target), { code: 'EINVAL', syscall: 'exchange' });
  const large = Buffer.alloc(16 * 1024 * 1024);
  for (const why of ['a part of it is taken', 'nothing is']) {
    test.throws(() => exchange(ours, large, large.length, target), { code: 'EMSGSIZE', syscall: 'exchange' }, why);
  }
  watch.close();
  closeSync(ours);
  test.throws(() => exchange(ours, target, 1, target), { code: 'EBADF', syscall: 'exchange' });
  closeSync(theirs);
  test.end();
});

t.test('a file cannot be watched', (test) => {
  const fd = openSync(__filename, 'r');
  test.throws(() => new DescriptorWatch(fd, () => undefined), { code: 'EPERM', syscall: 'poll' });
  closeSync(fd);
  test.end();
});

t.test('an error of the callback is an uncaught exception', (test) => {
  const program = `
    const { DescriptorWatch, socketPair } = require('node-dax');
    const [ours, theirs] = socketPair();
    process.on('uncaughtException', (error) => { console.log(error.message); process.exit(3); });
    new DescriptorWatch(ours, () => { throw new Error('mine'); });
    require('fs').writeSync(theirs, 'a');`;
  test.match(spawnSync(process.execPath, ['-e', program], { encoding: 'utf8', cwd: __dirname }), { status: 3, stdout: 'mine\n' });
  test.end();
});

t.test('a thread ends with watches that were not closed', async (test) => {
  const program = `
    const { DescriptorWatch, socketPair } = require('node-dax');
    const { parentPort } = require('worker_threads');
    for (let i = 0; i < 10; i++) new DescriptorWatch(socketPair()[0], () => undefined);
    new DescriptorWatch(socketPair()[0], () => undefined).close();
    parentPort.postMessage('watching');`;
  for (let times = 0; times < 3; times++) {
    const worker = new Worker(`module.paths.push(${JSON.stringify(__dirname)}); ${program.replaceAll("require('node-dax')", `require(${JSON.stringify(require.resolve('node-dax'))})`)}`, { eval: true });
    await once(worker, 'message');
    await worker.terminate();
  }
  test.pass('it goes on');
});

t.test('a descriptor that a child hands over', (test) => {
  const [ours, theirs] = socketPair();
  const script = 'import os, socket; s = socket.socket(fileno=3); socket.send_fds(s, [b"x"], [os.open("/dev/null", os.O_RDONLY)])';
  const { status, stderr } = spawnSync('python3', ['-c', script], { stdio: ['ignore', 'ignore', 'pipe', theirs], encoding: 'utf8' });
  test.equal(status, 0, stderr);
  const fd = receiveDescriptor(ours);
  test.ok(fd !== undefined && fstatSync(fd).isCharacterDevice());
  for (const each of [fd ?? -1, ours, theirs]) closeSync(each);
  test.end();
});
