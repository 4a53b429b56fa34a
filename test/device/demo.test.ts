import { demonstrate } from '../../lib/demo/demo.js';
import { showExt2 } from '../../lib/demo/ext2.js';
import { checkOverwritable } from '../../lib/cli/permission.js';
import { onEveryDevice } from '../helpers/devices.js';

onEveryDevice('the demonstration on', (test, wanted) => {
  const last = wanted.open();
  last.zeroSync(0, 128 * 1024);
  last.writeSync(Buffer.from('kept'), 4096);
  const steps: string[] = [];
  const report = demonstrate(wanted.path, { force: wanted.needed.force ?? false }, {
    onStep: (text) => steps.push(text),
    onProgress: () => undefined,
  });
  test.match(report, { path: wanted.path, kind: wanted.kind, isDax: wanted.isDax, verified: true });
  test.equal(report.timings.length, 3);
  test.ok((report.timings[0]?.nanoseconds ?? 0) > 0);
  const [, buffered, direct] = report.timings;
  test.equal(buffered?.nanoseconds !== undefined, wanted.kind !== 'devdax', 'a devdax alone has no read(2)');
  test.ok(direct?.nanoseconds ?? direct?.reason, 'O_DIRECT is timed, or the reason told why it cannot be');
  const kept = Buffer.alloc(4);
  last.readSync(kept, 4096);
  test.equal(kept.toString(), 'kept', 'only the first 4096 bytes were overwritten');
  test.match(steps.join('\n'), /reopen {2}found it again/);
  test.equal(/(?:made it|a store is) durable/.test(steps.join('\n')), report.persistent === true, 'durable is said of what is vouched for');
  checkOverwritable(wanted.path, 'demo');
  last.writeSync(Buffer.from('XFSB'), 0);
  test.throws(() => {
    checkOverwritable(wanted.path, 'demo');
  }, { code: 'EBUSY', message: /carries xfs/ });
  last.zeroSync(0, 4);
  steps.length = 0;
  const ext2 = showExt2(last, (text) => steps.push(text));
  test.match(ext2, { text: 'Hello, mapped', isClean: true });
  test.not(ext2.e2fsck, false);
  if (ext2.notMapped !== undefined) test.match(ext2.notMapped, /2097152|2 MiB/, 'only a devdax of 2 MiB cannot map it');
  test.match(steps.join('\n'), /ext2 .*formatted.*(?:map .*store|write .*cannot be mapped).*cut .*verify .*e2fsck/s);
  last.zeroSync(0, 128 * 1024);
});
