// A process that may have no huge pages: a devdax aligned to 2 MiB cannot be mapped then, and open says so.

import { spawnSync } from 'node:child_process';
import { onDevices } from '../helpers/devices.js';

const ADDON = require.resolve('../../../build/Release/poison.node');

// In a process of its own: it is for good.
const PROGRAM = `
  require(process.argv[1]).disableHugePages();
  const { openSync, doctor } = require('node-dax');
  const path = process.argv[2];
  try {
    const device = openSync(path);
    device.view(0, 1)[0] = 7;
    console.log(device.readSync(Buffer.alloc(1), 0), device.view(0, 1)[0]);
  } catch ({ code, reason }) {
    console.log(code, reason);
  }
  console.log(doctor(path).isDax);
`;

const DEVICES = ['an ordinary file', 'a tmpfs file', 'a file on ext4 -o dax', 'devdax of 4 KiB', 'devdax of 2 MiB'];

onDevices('without huge pages:', DEVICES, (test, { path, name, isDax }) => {
  const { stdout, stderr, status } = spawnSync(process.execPath, ['-e', PROGRAM, ADDON, path], { encoding: 'utf8' });
  const expected = name === 'devdax of 2 MiB' ? 'EOPNOTSUPP HUGE_PAGES_DISABLED\nfalse\n' : `1 7\n${isDax}\n`;
  test.strictSame({ stdout, stderr, status }, { stdout: expected, stderr: '', status: 0 });
});
