// The recording device: what it records, what a power cut leaves, and stores through windows; and the log that is written.

import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { GARBAGE, RecordingDevice, storeLog, type Trace } from 'node-dax/testkit';
import { scratchPath } from '../helpers/devices.js';

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1');

// Events with their bytes as text.
function events(trace: Trace): unknown[] {
  return trace.events.map((event) => {
    if (event.kind === 'store') return `store ${event.pos} ${text(event.bytes)}${event.isOrdered ? '' : ' unordered'}`;
    if (event.kind === 'flush') return `flush ${event.pos} ${event.length}`;
    return event.kind === 'fence' ? 'fence' : `${event.edge} ${event.name}`;
  });
}

function found(device: RecordingDevice, pos: number, length: number): string {
  const bytes = Buffer.alloc(length);
  device.afterPowerCut().readSync(bytes, pos);
  return bytes.toString('latin1');
}

const LOST = String.fromCharCode(GARBAGE).repeat(4);

t.test('what is done to it is recorded, and flushes are whole lines', (t) => {
  const device = new RecordingDevice(16384);
  t.throws(() => device.endTrace(), /startTrace/);
  device.writeSync(Buffer.from('before'), 0);
  device.startTrace();
  device.mark('a', 'begin');
  device.writeSync(Buffer.from('kept'), 100);
  device.writeSync(Buffer.from('lost'), 200, { flush: false });
  device.zeroSync(300, 2, { flush: false });
  device.flush(130, 1);
  device.drain();
  device.mark('a', 'end');
  t.strictSame(events(device.endTrace()), [
    'begin a',
    'store 100 kept',
    'flush 64 64',
    'fence',
    'store 200 lost',
    'store 300 \0\0',
    'flush 128 64',
    'fence',
    'end a',
  ]);
  t.end();
});

t.test('a line is durable at the fence after its flush, as it was when it was flushed', (t) => {
  const device = new RecordingDevice(16384);
  device.writeSync(Buffer.from('late'), 100, { flush: false });
  t.equal(found(device, 100, 4), LOST, 'dirty');
  device.flush(100, 4);
  t.equal(found(device, 100, 4), LOST, 'flushed');
  device.writeSync(Buffer.from('LATE'), 100, { flush: false });
  device.drain();
  t.equal(found(device, 100, 4), 'late', 'durable, without what was stored after the flush');
  device.drain();
  t.equal(found(device, 100, 4), 'late', 'a fence alone does nothing');
  device.persist(64, 1);
  t.equal(found(device, 100, 4), 'LATE', 'a flush of any byte of the line takes it along');
  t.end();
});

t.test('stores through a window are found at the next call', (t) => {
  const device = new RecordingDevice(16384);
  device.startTrace();
  const { window } = device.directAccess(8, 8192);
  window.set(Buffer.from('stored'), 60);
  device.mark('a', 'begin');
  window[8191] = 0x58;
  device.persist(4096, 64);
  device.writeSync(Buffer.from('y'), 0, { flush: false });
  window.set(Buffer.from('Stored'), 60);
  const garbage = (length: number) => text(new Uint8Array(length).fill(GARBAGE));
  t.strictSame(events(device.endTrace()), [
    `store 4152 ${garbage(4)}stor unordered`,
    `store 4160 ed${garbage(6)} unordered`,
    'begin a',
    `store 12280 ${garbage(7)}X unordered`,
    'flush 4096 64',
    'fence',
    'store 0 y',
    `store 4152 ${garbage(4)}Stor unordered`,
  ]);
  t.equal(found(device, 4156, 4), 'stor');
  t.end();
});

t.test('a trace begins with what is in flight', (t) => {
  const device = new RecordingDevice(4096, new Uint8Array(4096));
  const { window } = device.directAccess(0, 4096);
  window[128] = 0x57;
  device.writeSync(Buffer.from('A'), 0, { flush: false });
  device.flush(0, 1);
  device.writeSync(Buffer.from('B'), 64, { flush: false });
  device.startTrace();
  device.drain();
  const trace = device.endTrace();
  t.equal(trace.content[0], 0);
  const nul = '\0'.repeat(7);
  t.strictSame(events(trace), [
    `store 0 A${nul} unordered`,
    'flush 0 64',
    `store 64 B${nul} unordered`,
    `store 128 W${nul} unordered`,
    'fence',
  ]);
  t.end();
});

/** Replays a store log as pmreorder does: what is flushed at a fence is on the medium. Knows nothing of the kit. */
function replay(log: string): Buffer {
  const entries = log.split('|');
  const start = entries.findIndex((entry) => entry.includes('START'));
  const stop = entries.findIndex((entry) => entry.includes('STOP'));
  let image = Buffer.alloc(0);
  let pending: { pos: number; bytes: Buffer; isFlushed: boolean }[] = [];
  for (const entry of entries.slice(start + 1, stop)) {
    const [name, first = '', second = '', third = ''] = entry.split(';');
    const pos = Number(first);
    if (name === 'REGISTER_FILE') image = readFileSync(first);
    else if (name === 'STORE') {
      const size = Number(third);
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(second));
      pending.push({ pos, bytes: bytes.subarray(0, size), isFlushed: false });
    } else if (name === 'FLUSH') {
      for (const store of pending) store.isFlushed ||= store.pos < pos + Number(second) && pos < store.pos + store.bytes.length;
    } else if (name === 'FENCE') {
      for (const { pos: at, bytes, isFlushed } of pending) if (isFlushed) bytes.copy(image, at);
      pending = pending.filter(({ isFlushed }) => !isFlushed);
    } else if (!/^[a-z0-9_]+\.(BEGIN|END)$/.test(name ?? '')) throw new Error(`entry ${entry}`);
  }
  return image;
}

t.test('the store log is one that others replay', (t) => {
  const device = new RecordingDevice(4096, new Uint8Array(4096));
  device.startTrace();
  device.mark('START: write 3|4', 'begin');
  device.writeSync(Buffer.from('0123456789'), 5, { flush: false });
  device.flush(5, 10);
  device.drain();
  device.mark('START: write 3|4', 'end');
  device.writeSync(Buffer.from('lost'), 1000, { flush: false });
  const trace = device.endTrace();
  const path = scratchPath(t);
  const log = storeLog(trace, path);
  t.equal(
    log,
    `START|REGISTER_FILE;${path};0x0;0x1000;0x0\n` +
      '|start_write_3_4.BEGIN|STORE;0x5;0x323130;0x3\n' +
      '|STORE;0x8;0x39383736353433;0x7\n' +
      '|FLUSH;0x0;0x40\n' +
      '|FENCE|start_write_3_4.END|STORE;0x3e8;0x74736f6c;0x4\n' +
      '|STOP\n',
  );
  writeFileSync(path, trace.content);
  const expected = Buffer.alloc(4096);
  device.afterPowerCut().readSync(expected, 0);
  t.ok(replay(log).equals(expected));
  t.throws(() => storeLog(trace, '/tmp/a|b'), RangeError);
  t.end();
});
