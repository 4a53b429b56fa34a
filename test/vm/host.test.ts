// What is asked of this machine: package managers, and the memory that KVM failed.

import t from 'tap';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installCommands, packageManager } from '../../lib/vm/host/packages.js';
import { findProgram } from '../../lib/vm/host/programs.js';
import { forgetKvmFailure, kvmFailureFile, kvmObstacle, rememberKvmFailure } from '../../lib/vm/qemu/kvm.js';

t.test('a machine is told its own package manager\'s command, each package once', (t) => {
  const folder = t.testdir({ bin: { dnf: '#!/bin/sh\n' } });
  t.equal(packageManager(join(folder, 'bin')), undefined, 'what cannot be executed is none');
  t.strictSame(installCommands(['flock', 'setpriv', 'cxl', 'ndctl'], 'dnf'), ['sudo dnf install util-linux cxl-cli ndctl']);
  t.strictSame(installCommands(['flock', 'setpriv'], 'apk'), ['doas apk add flock setpriv']);
  t.end();
});

t.test('a static busybox has another name elsewhere', { skip: findProgram('busybox') === undefined && 'no static busybox' }, (t) => {
  const folder = t.testdir({ 'busybox.static': t.fixture('symlink', findProgram('busybox') ?? '') });
  t.equal(findProgram('busybox', folder), join(folder, 'busybox.static'));
  t.end();
});

t.test('that KVM failed is remembered until the machine starts again', (t) => {
  const cache = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = t.testdir({});
  t.teardown(() => {
    delete process.env['XDG_CACHE_HOME'];
    if (cache !== undefined) process.env['XDG_CACHE_HOME'] = cache;
  });
  // A device that everybody may open stands for /dev/kvm.
  const device = '/dev/null';
  t.equal(kvmObstacle('/dev/no-such-device'), 'there is no /dev/no-such-device');
  t.equal(kvmObstacle(device), undefined);
  rememberKvmFailure();
  t.match(kvmObstacle(device), /^KVM has failed on this machine since it started \(.*kvm-failed remembers it; --accel kvm tries again\)$/);
  const remembered = readFileSync(kvmFailureFile(), 'utf8');
  writeFileSync(kvmFailureFile(), 'another boot\n');
  t.equal(kvmObstacle(device), undefined, 'in another boot it is tried');
  writeFileSync(kvmFailureFile(), remembered);
  forgetKvmFailure();
  t.notOk(existsSync(kvmFailureFile()));
  t.equal(kvmObstacle(device), undefined);
  t.end();
});
