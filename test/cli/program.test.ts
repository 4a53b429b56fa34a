// The program as a process of its own, and in the thread in which most suites run it: both end and print alike.

import t from 'tap';
import { cliProcess, MAIN } from '../helpers/cli.js';
import { CommandThread } from '../helpers/command-thread.js';

t.test('a thread runs the program as a process does', (test) => {
  const thread = new CommandThread(MAIN);
  for (const args of [['--version'], ['ext2', 'mkfs', '--help'], ['list', 'surplus'], ['ext2', 'ls', '/nowhere'], ['doctor', '--json', '/nowhere']]) {
    const { status, stdout, stderr } = thread.run(args);
    const words = { stdout: Buffer.from(stdout).toString(), stderr: Buffer.from(stderr).toString() };
    const inProcess = cliProcess(...args);
    test.strictSame({ status, ...words }, { status: inProcess.status, stdout: inProcess.stdout, stderr: inProcess.stderr }, args.join(' '));
  }
  test.end();
});
