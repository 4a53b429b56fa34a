// Promise calls that overlap on few files: none hangs, none is refused because of another, and all say what node:fs says.

import * as nodeFs from 'node:fs';
import { finished, pipeline } from 'node:stream/promises';
import { Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { check } from 'node-dax/ext2';
import { seeded, type Random } from '../helpers/random.js';
import { watch } from '../helpers/watchdog.js';
import { openSides, type Sides } from './two-sides.js';
import { amount } from '../helpers/thorough.js';

const ROUNDS = Number(process.env['NODE_DAX_TEST_OVERLAP_ROUNDS'] ?? amount({ short: 2, thorough: 6, long: 6 }));
const MIB = 1024 * 1024;

type Fs = Pick<typeof nodeFs, 'promises' | 'createReadStream' | 'createWriteStream' | 'readFileSync' | 'statSync'>;
type Handle = nodeFs.promises.FileHandle;

/** What became of each promise: its value, or the code of its error. */
async function outcomes(promises: readonly Promise<unknown>[]): Promise<unknown[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((one) => (one.status === 'fulfilled' ? 'done' : (one.reason as NodeJS.ErrnoException).code));
}

/** Does the same on both sides, and compares what it gives. */
async function onBoth<T>(test: Test, sides: Sides, work: (fs: Fs, root: string) => Promise<T>): Promise<T> {
  const theirs = await work(nodeFs, sides.node);
  const ours = await work(sides.ours, '');
  test.strictSame(ours, theirs);
  return ours;
}

function end(test: Test, { mounted }: Sides): void {
  // It would be EBUSY while anything is open.
  mounted.unmount();
  test.strictSame(check(mounted.device).findings, []);
}

const times = <T>(count: number, make: (index: number) => T): T[] => Array.from({ length: count }, (_, index) => make(index));

const CALLS: Record<string, (fs: Fs, root: string) => Promise<unknown>> = {
  '3 appendFile': async ({ promises }, root) => {
    await Promise.all(times(3, () => promises.appendFile(`${root}/log`, 'x')));
    return promises.readFile(`${root}/log`, 'utf8');
  },
  '3 writeFile': async ({ promises }, root) => {
    await Promise.all(times(3, () => promises.writeFile(`${root}/w`, 'the same')));
    return promises.readFile(`${root}/w`, 'utf8');
  },
  '5 truncate': async ({ promises }, root) => {
    await promises.writeFile(`${root}/t`, 'truncated');
    await Promise.all(times(5, () => promises.truncate(`${root}/t`, 5)));
    return promises.readFile(`${root}/t`, 'utf8');
  },
  '5 copyFile': async ({ promises }, root) => {
    await promises.writeFile(`${root}/from`, 'copied');
    await Promise.all(times(5, () => promises.copyFile(`${root}/from`, `${root}/to`)));
    return promises.readFile(`${root}/to`, 'utf8');
  },
  '4 write streams': async ({ createWriteStream, promises }, root) => {
    await Promise.all(times(4, () => pipeline(Readable.from([Buffer.alloc(1000, 's')]), createWriteStream(`${root}/s`))));
    return (await promises.stat(`${root}/s`)).size;
  },
  'one long write and two closes': async ({ promises }, root) => {
    const a = await promises.open(`${root}/long`, 'w+');
    const b = await promises.open(`${root}/long`, 'r+');
    const write = a.write(Buffer.alloc(3 * MIB, 'l'), 0, 3 * MIB, 0);
    await Promise.all([a.close(), b.close()]);
    return (await write).bytesWritten;
  },
  'a close beside one who reads in a loop': async ({ promises }, root) => {
    await promises.writeFile(`${root}/r`, 'r'.repeat(100));
    const [reader, closer] = [await promises.open(`${root}/r`), await promises.open(`${root}/r`)];
    const state = { isClosed: false };
    const looping = (async () => {
      while (!state.isClosed) await reader.read(Buffer.alloc(100), 0, 100, 0);
    })();
    await closer.close();
    state.isClosed = true;
    await looping;
    await reader.close();
    return 'closed';
  },
  'a close beside one who writes in a loop': async ({ promises }, root) => {
    const [writer, closer] = [await promises.open(`${root}/v`, 'w'), await promises.open(`${root}/v`)];
    const state = { isClosed: false };
    // Two at a time: one is always in flight.
    const looping = times(2, async () => {
      while (!state.isClosed) await writer.write(Buffer.alloc(300_000, 'v'), 0, 300_000, 0);
    });
    await closer.close();
    state.isClosed = true;
    await Promise.all(looping);
    await writer.close();
    return 'closed';
  },
  'what overlaps with 8 MiB': async ({ promises, createWriteStream }, root) => {
    const large = Buffer.alloc(8 * MIB, 'b');
    await promises.writeFile(`${root}/small`, 'small');
    const stream = async () => {
      const writing = createWriteStream(`${root}/big`);
      writing.end('streamed');
      await finished(writing);
    };
    const said = await outcomes([
      promises.writeFile(`${root}/big`, large),
      promises.writeFile(`${root}/big`, large),
      promises.copyFile(`${root}/small`, `${root}/big`),
      stream(),
      promises.truncate(`${root}/big`, 3),
      promises.appendFile(`${root}/big`, 'more'),
      promises.readFile(`${root}/big`),
      promises.open(`${root}/big`, 'w').then((handle) => handle.close()),
    ]);
    await promises.unlink(`${root}/big`);
    return said;
  },
  // Large enough that they meet in it.
  '3 rm of one tree': async ({ promises }, root) => {
    for (let dir = 0; dir < 40; dir++) {
      await promises.mkdir(`${root}/tree/${dir}`, { recursive: true });
      await Promise.all(times(40, (file) => promises.writeFile(`${root}/tree/${dir}/${file}`, '')));
    }
    const said = await outcomes(times(3, () => promises.rm(`${root}/tree`, { recursive: true, force: true })));
    return [said, await outcomes([promises.stat(`${root}/tree`)])];
  },
  '5 mkdir of one path': async ({ promises }, root) => {
    await Promise.all(times(5, () => promises.mkdir(`${root}/a/b/c`, { recursive: true })));
    return (await outcomes(times(5, () => promises.mkdir(`${root}/a/d`)))).sort();
  },
  'links, names and what they lead to': async ({ promises }, root) => {
    await promises.writeFile(`${root}/first`, 'first');
    const linked = await outcomes(times(4, () => promises.link(`${root}/first`, `${root}/linked`)));
    const moved = await outcomes(times(4, () => promises.rename(`${root}/first`, `${root}/moved`)));
    const removed = await outcomes(times(4, () => promises.unlink(`${root}/linked`)));
    return [linked.sort(), moved.sort(), removed.sort(), (await promises.stat(`${root}/moved`)).nlink];
  },
  'reads of a file that is cut and written': async ({ promises, createReadStream }, root) => {
    await promises.writeFile(`${root}/cut-under`, Buffer.alloc(MIB, 'c'));
    const handle = await promises.open(`${root}/cut-under`, 'r+');
    const said = await outcomes([
      promises.readFile(`${root}/cut-under`),
      handle.truncate(10),
      handle.readFile(),
      createReadStream(`${root}/cut-under`).toArray(),
      handle.truncate(2 * MIB),
      promises.copyFile(`${root}/cut-under`, `${root}/cut-copy`),
      handle.writeFile('x'),
      promises.cp(`${root}/cut-under`, `${root}/cut-copy`),
      handle.close(),
    ]);
    await promises.unlink(`${root}/cut-under`);
    return said;
  },
  'a handle that is closed under its writeFile': async ({ promises }, root) => {
    const said: unknown[] = [];
    for (const data of ['text', Buffer.alloc(3 * MIB, 'f'), ['in ', 'many ', 'steps']]) {
      const handle = await promises.open(`${root}/pending`, 'w');
      const pending = handle.writeFile(data as string);
      await handle.close();
      said.push((await outcomes([pending]))[0], (await promises.stat(`${root}/pending`)).size);
    }
    return said;
  },
  'a handle that is closed under everything else': async ({ promises }, root) => {
    await promises.writeFile(`${root}/all`, 'content');
    const calls: ((handle: Handle) => Promise<unknown>)[] = [
      (handle) => handle.appendFile('appended'),
      (handle) => handle.readFile(),
      (handle) => handle.read(Buffer.alloc(10), 0, 10, null),
      (handle) => handle.readv([Buffer.alloc(2), Buffer.alloc(2)]),
      (handle) => handle.write('written'),
      (handle) => handle.writev([Buffer.from('a'), Buffer.from('b')]),
      (handle) => handle.truncate(50),
      (handle) => handle.stat(),
      (handle) => handle.sync(),
      (handle) => handle.datasync(),
      (handle) => handle.chmod(0o600),
      (handle) => handle.utimes(1, 1),
    ];
    const handle = await promises.open(`${root}/all`, 'r+');
    const pending = calls.map((call) => call(handle));
    await handle.close();
    const said = await outcomes(pending);
    return [...said, await outcomes([handle.stat(), handle.write('x')]), (await promises.stat(`${root}/all`)).size];
  },
  'one who is aborted': async ({ promises }, root) => {
    const ending = new AbortController();
    const { signal } = ending;
    await promises.writeFile(`${root}/kept`, Buffer.alloc(MIB));
    const forever = (async function* () {
      for (;;) {
        yield Buffer.alloc(1000);
        await Promise.resolve();
      }
    })();
    const calls = [promises.writeFile(`${root}/aborted`, forever, { signal }), promises.readFile(`${root}/kept`, { signal })];
    ending.abort();
    return outcomes(calls);
  },
};

t.test('calls that overlap', async (test) => {
  const sides = openSides(test);
  for (const [name, work] of Object.entries(CALLS)) {
    await test.test(name, async (inner) => {
      watch(inner);
      await onBoth(inner, sides, work);
    });
  }
  end(test, sides);
});

t.test('synchronous calls say what to do', async (test) => {
  watch(test);
  const sides = openSides(test);
  const { promises, ...fs } = sides.ours;
  const content = Buffer.alloc(MIB, 'c');
  await promises.writeFile('/busy', content);
  const handle = await promises.open('/busy', 'r+');
  const other = fs.openSync('/busy', 'r+');
  const writing = handle.write(content, 0, MIB, 0);
  const calls: [syscall: string, call: () => unknown][] = [
    ['read', () => fs.readFileSync('/busy')],
    ['open', () => { fs.writeFileSync('/busy', 'x'); }],
    ['write', () => { fs.appendFileSync('/busy', 'x'); }],
    ['open', () => fs.openSync('/busy', 'w')],
    ['ftruncate', () => { fs.truncateSync('/busy', 1); }],
    ['copyfile', () => { fs.copyFileSync('/busy', '/copy'); }],
    ['copyfile', () => { fs.copyFileSync('/other', '/busy'); }],
    ['read', () => fs.readSync(other, Buffer.alloc(1), 0, 1, 0)],
    ['write', () => fs.writeSync(other, 'x', 0)],
    ['close', () => { fs.closeSync(handle.fd); }],
  ];
  fs.writeFileSync('/other', 'other');
  for (const [syscall, call] of calls) test.throws(call, { code: 'EAGAIN', syscall, message: /await/, hint: /await/ }, syscall);
  test.equal(fs.statSync('/busy').size, MIB, 'names and inodes are dealt with at once');
  fs.closeSync(other);
  fs.renameSync('/busy', '/renamed');
  fs.unlinkSync('/renamed');
  test.equal((await writing).bytesWritten, MIB);
  await handle.close();
  end(test, sides);
});

t.test('an abort tells how much was written, and the file has that', async (test) => {
  watch(test);
  const sides = openSides(test);
  const { promises } = sides.ours;
  const ending = new AbortController();
  const chunks = function* () {
    for (let index = 0; ; index++) {
      if (index === 5) ending.abort('enough');
      yield Buffer.alloc(1000, index + 1);
    }
  };
  const aborted = { name: 'AbortError', code: 'ABORT_ERR', cause: 'enough', bytesMoved: 5000 };
  await test.rejects(promises.writeFile('/partly', chunks(), { signal: ending.signal }), aborted);
  const found = await promises.readFile('/partly');
  test.ok(found.equals(Buffer.concat(times(5, (index) => Buffer.alloc(1000, index + 1)))));
  end(test, sides);
});

// A round: everything at once, on few files. What may come in any order is made so that the order cannot be told.
interface Plan {
  readonly calls: readonly ((fs: Fs, root: string, handles: readonly Handle[]) => Promise<unknown>)[];
}

const FILE_SIZE = 40_000;
const HANDLES = 4;

function draw(random: Random): Plan {
  const calls: Plan['calls'][number][] = [];
  const count = 40 + random.below(60);
  for (let index = 0; index < count; index++) {
    const token = `${String(index).padStart(3, '0')};`.repeat(1 + random.below(500));
    const at = random.below(HANDLES);
    const fill = 97 + random.below(26);
    // Each writer has a place of its own.
    const place = 4 * MIB + index * 10_000;
    const other = random.below(3);
    calls.push(random.pick<Plan['calls'][number]>([
      ({ promises }, root) => promises.appendFile(`${root}/log`, token),
      async ({ promises }, root) => {
        const handle = await promises.open(`${root}/log`, 'a');
        const pending = handle.appendFile(token);
        await handle.close();
        await pending;
      },
      ({ createWriteStream }, root) => pipeline(Readable.from([Buffer.from(token)]), createWriteStream(`${root}/log`, { flags: 'a' })),
      ({ promises }, root) => promises.writeFile(`${root}/whole`, Buffer.alloc(FILE_SIZE, fill)),
      ({ promises }, root) => promises.copyFile(`${root}/source${other}`, `${root}/whole`),
      ({ createWriteStream }, root) => pipeline(Readable.from([Buffer.alloc(FILE_SIZE, fill)]), createWriteStream(`${root}/whole`)),
      (_fs, _root, handles) => (handles[at] as Handle).write(Buffer.alloc(10_000, fill), 0, 10_000, place).then(({ bytesWritten }) => bytesWritten),
      (_fs, _root, handles) =>
        (handles[at] as Handle).writev([Buffer.alloc(4000, fill), Buffer.alloc(6000, fill)], place).then(({ bytesWritten }) => bytesWritten),
      (_fs, _root, handles) => (handles[at] as Handle).read(Buffer.alloc(500_000), 0, 500_000, 0).then(({ bytesRead }) => bytesRead),
      (_fs, _root, handles) => (handles[at] as Handle).readv([Buffer.alloc(100), Buffer.alloc(100)], 0).then(({ bytesRead }) => bytesRead),
      (_fs, _root, handles) => (handles[at] as Handle).sync(),
      (_fs, _root, handles) => (handles[at] as Handle).stat().then((stats) => stats.isFile()),
      ({ promises }, root) => promises.truncate(`${root}/cut`, 1000 * (1 + other)),
      async ({ promises }, root) => {
        const handle = await promises.open(`${root}/cut`, 'r+');
        const pending = handle.truncate(1000 * (1 + other));
        await handle.close();
        await pending;
      },
      ({ promises }, root) => promises.readFile(`${root}/source${other}`).then(({ length }) => length),
      ({ promises }, root) => promises.stat(`${root}/log`).then((stats) => stats.isFile()),
      ({ promises }, root) => promises.readdir(`${root}/`).then((names) => names.includes('log')),
      async ({ promises }, root) => {
        await promises.writeFile(`${root}/own${index}`, token, { flag: 'wx' });
        await promises.rename(`${root}/own${index}`, `${root}/moved${index}`);
        const found = await promises.readFile(`${root}/moved${index}`, 'utf8');
        await promises.unlink(`${root}/moved${index}`);
        return found === token;
      },
      ({ promises }, root) => promises.writeFile(`${root}/none/x`, token),
      ({ promises }, root) => promises.readFile(`${root}/log`, { signal: AbortSignal.abort() }),
      (_fs, _root, handles) => (handles[at] as Handle).chmod(0o640),
      ({ promises }, root) => promises.utimes(`${root}/cut`, 1, 2),
    ]));
  }
  return { calls };
}

async function play({ calls }: Plan, fs: Fs, root: string): Promise<unknown> {
  const { promises } = fs;
  for (let index = 0; index < 3; index++) await promises.writeFile(`${root}/source${index}`, Buffer.alloc(FILE_SIZE, index));
  await promises.writeFile(`${root}/log`, '');
  await promises.writeFile(`${root}/whole`, Buffer.alloc(FILE_SIZE, 'w'));
  await promises.writeFile(`${root}/places`, Buffer.alloc(500_000));
  await promises.writeFile(`${root}/cut`, Buffer.alloc(3000, 'c'));
  const handles: Handle[] = [];
  for (let index = 0; index < HANDLES; index++) handles.push(await promises.open(`${root}/places`, 'r+'));
  const under = calls.map((call) => call(fs, root, handles));
  const values = (async () => {
    const settled = await Promise.allSettled(under);
    return settled.map((one) => (one.status === 'fulfilled' ? one.value : (one.reason as NodeJS.ErrnoException).code));
  })();
  // While all of that is under way.
  await Promise.all(handles.map((handle) => handle.close()));
  const results = await values;
  const tokens = (await promises.readFile(`${root}/log`, 'utf8')).split(';').sort();
  const whole = await promises.readFile(`${root}/whole`);
  const cut = await promises.readFile(`${root}/cut`);
  return {
    results,
    tokens,
    // The kernel's own copying may mix with other writes: ours does not.
    whole: { length: whole.length, isOne: root !== '' || whole.every((byte) => byte === whole[0]) },
    places: (await promises.readFile(`${root}/places`)).toString('base64'),
    cut: [1000, 2000, 3000].includes(cut.length) && [0, 99].includes(cut.at(-1) ?? -1),
    names: (await promises.readdir(`${root}/`)).sort(),
  };
}

t.test('everything at once', async (test) => {
  const random = seeded(test);
  for (let round = 0; round < ROUNDS; round++) {
    await test.test(`round ${round}`, async (inner) => {
      watch(inner, 60);
      const sides = openSides(inner);
      const plan = draw(random);
      const theirs = await play(plan, nodeFs, sides.node);
      const ours = await play(plan, sides.ours, '');
      inner.strictSame(ours, theirs);
      end(inner, sides);
    });
  }
});
