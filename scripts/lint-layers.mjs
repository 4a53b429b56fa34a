// Checks the dependency rules that ESLint cannot (eslint.layers.js has the others): which room may import which, which functions
// each part of native/ may call, and that no imports form a circle. `lint-layers.mjs [ROOT]`; exit status 1 for a violation.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

// What each room may import besides its own files and, in src/, the files at the top. The files named in `doors` import any room,
// and no room imports them.
const ROOMS = {
  src: {
    doors: ['index.ts'],
    rooms: {
      locks: [],
      descriptor: [],
      discovery: [],
      device: ['discovery', 'locks'],
      driver: ['device', 'locks'],
      inode: ['device', 'locks'],
      io: ['inode', 'device', 'locks'],
      mmap: ['inode', 'device', 'locks'],
      file: ['io', 'mmap', 'inode', 'device', 'locks'],
    },
  },
  'src/discovery': {
    doors: ['list.ts'],
    rooms: {
      system: [],
      devices: ['system'],
      use: ['devices', 'system'],
      diagnosis: ['devices', 'system'],
    },
  },
  'lib/ext2': {
    doors: ['index.ts', 'ext2.ts', 'mount.ts'],
    rooms: {
      format: [],
      space: ['format'],
      inode: ['space', 'format'],
      volume: ['inode', 'space', 'format'],
      xattr: ['volume', 'inode', 'space', 'format'],
      names: ['volume', 'inode', 'space', 'format'],
      files: ['volume', 'inode', 'space', 'format'],
      check: ['space', 'format'],
      mkfs: ['space', 'format'],
    },
  },
  'lib/famfs': {
    doors: ['index.ts', 'famfs.ts', 'mount.ts', 'mounted.ts', 'mkfs.ts'],
    rooms: {
      format: [],
      tree: ['format'],
      log: ['tree', 'format'],
      files: ['tree', 'format'],
      master: ['files', 'log', 'tree', 'format'],
    },
  },
  'lib/cli': {
    doors: ['main.ts', 'program.ts'],
    rooms: {
      bench: [],
      trees: [],
      ext2: ['trees'],
      famfs: ['trees'],
      mount: ['ext2'],
      log: [],
      vm: [],
    },
  },
  'lib/bench': {
    doors: ['index.ts', 'run.ts', 'subject.ts'],
    rooms: {
      jobs: [],
      drivers: ['jobs'],
      machine: ['jobs'],
      trials: ['drivers', 'jobs'],
      report: ['trials', 'machine', 'drivers', 'jobs'],
    },
  },
  'lib/testkit': {
    doors: ['index.ts', 'check-filesystem.ts', 'check-driver.ts', 'check-crashes.ts'],
    rooms: {
      device: [],
      crash: ['device'],
      filesystem: ['crash', 'device'],
      probes: ['filesystem'],
      runs: ['filesystem', 'device'],
      driver: ['filesystem'],
    },
  },
  'lib/cli/ext2': {
    doors: ['index.ts'],
    rooms: {
      image: [],
      showing: ['image'],
      copying: ['image'],
      changing: ['showing', 'image'],
    },
  },
  'lib/fs': {
    doors: ['index.ts', 'facade.ts'],
    rooms: {
      arguments: [],
      errors: ['arguments'],
      tree: ['errors', 'arguments'],
      watch: ['tree', 'errors', 'arguments'],
      open: ['tree', 'errors', 'arguments'],
      calls: ['open', 'tree', 'errors', 'arguments'],
      forms: ['open', 'arguments'],
    },
  },
  'lib/fuse': {
    doors: ['index.ts', 'mount-fuse.ts'],
    rooms: {
      protocol: [],
      filesystem: [],
      transport: [],
      server: ['protocol', 'filesystem'],
    },
  },
  'lib/vm': {
    doors: ['index.ts', 'options.ts', 'requirements.ts', 'machine.ts', 'run.ts', 'power-cut.ts'],
    rooms: {
      host: [],
      memory: [],
      streams: [],
      kernel: ['host'],
      init: ['kernel', 'memory', 'streams'],
      qemu: ['memory', 'streams', 'host'],
    },
  },
  native: {
    doors: [],
    rooms: {
      checksum: [],
      persist: [],
      sigbus: [],
      device: ['persist', 'sigbus', 'checksum'],
      fault: ['device', 'persist', 'sigbus'],
      napi: ['fault', 'device', 'persist', 'sigbus', 'checksum'],
    },
  },
};

// Comments may name what the code must not use; string literals may not hide it (assembly is one).
const NATIVE_RULES = [
  {
    pattern: /#\s*include\s*[<"](?:napi\.h|(?:js_native|node)_api\w*\.h|node\.h|v8\.h|uv\.h)[>"]/g,
    allowed: /^napi\//,
    message: 'Node-API belongs to native/napi',
  },
  {
    pattern: /\b(?:mmap|mmap64|munmap|msync|mremap|ioctl)\s*\(/g,
    allowed: /^(?:device|fault|persist|sigbus)\//,
    message: 'native/napi maps no memory and controls no device',
  },
  {
    pattern: /\b_mm_cl(?:wb|flush|flushopt)\b|\b__builtin_ia32_cl\w+|"[^"]*(?:\b|\\[nt])(?:cl(?:wb|flush|flushopt)\s+%|dc\s+ci?v\w+\s*,|sys\s+#3)/g,
    allowed: /^persist\/persist_(?:x86_64|aarch64)\.cc$/,
    message: 'flush instructions belong to native/persist/persist_<arch>.cc',
  },
];

function filesUnder(root, folder, extension) {
  const path = join(root, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true })
    .map((name) => join(folder, name))
    .filter((name) => extension.test(name))
    .sort();
}

// Keeps line numbers; leaves string literals alone, in which `//` begins no comment.
function withoutComments(source) {
  return source.replaceAll(/"(?:\\.|[^"\\\n])*"|\/\/.*|\/\*[^]*?\*\//g, (match) =>
    match.startsWith('"') ? match : match.replaceAll(/[^\n]/g, ' '),
  );
}

function nativeViolations(root) {
  return filesUnder(root, 'native', /\.(?:cc|h)$/).flatMap((file) => {
    const code = withoutComments(readFileSync(join(root, file), 'utf8'));
    const name = relative('native', file);
    return NATIVE_RULES.filter(({ allowed }) => !allowed.test(name)).flatMap(({ pattern, message }) =>
      [...code.matchAll(pattern)].map(({ index, 0: found }) => {
        const line = code.slice(0, index).split('\n').length;
        return `${file}:${line}: ${found.trim()}: ${message}`;
      }),
    );
  });
}

/** The files of `known` that `file` imports or includes. */
function importsOf(root, file, known) {
  const source = readFileSync(join(root, file), 'utf8');
  const imported = file.endsWith('.ts')
    ? ts
        .preProcessFile(source, true, true)
        .importedFiles.filter(({ fileName }) => fileName.startsWith('.'))
        .map(({ fileName }) => normalize(join(dirname(file), fileName)).replace(/\.js$/, '.ts'))
    : [...withoutComments(source).matchAll(/#\s*include\s*"([^"]+)"/g)].map(([, name]) => join('native', name));
  return imported.filter((name) => known.has(name));
}

function wrongArrows(root) {
  return Object.entries(ROOMS).flatMap(([house, { doors, rooms }]) => {
    const files = filesUnder(root, house, /\.(?:ts|cc|h)$/);
    const known = new Set(files);
    const roomOf = (file) => {
      const path = relative(house, file);
      return path.includes('/') ? path.slice(0, path.indexOf('/')) : undefined;
    };
    const isDoor = (file) => doors.includes(relative(house, file));
    const isMeant = (from, to) => {
      const room = roomOf(to);
      return room === roomOf(from) || room === undefined || rooms[roomOf(from)]?.includes(room);
    };
    return files.flatMap((file) => {
      const room = roomOf(file);
      if (room !== undefined && rooms[room] === undefined) return [`${file}: ${house}/ has no room ${room} (scripts/lint-layers.mjs)`];
      if (isDoor(file)) return [];
      return importsOf(root, file, known)
        .filter((imported) => isDoor(imported) || !isMeant(file, imported))
        .map((imported) => `${file} → ${imported}: a wrong arrow (scripts/lint-layers.mjs says which are meant)`);
    });
  });
}

// Imports of types alone count: two files that need each other's types are one idea in two files.
function cycles(root) {
  const files = new Set([...filesUnder(root, 'src', /\.ts$/), ...filesUnder(root, 'lib', /\.ts$/)]);
  const finished = new Set();
  const path = [];
  const found = [];
  const visit = (file) => {
    const start = path.indexOf(file);
    if (start !== -1) found.push(`${[...path.slice(start), file].join(' → ')}: a cycle of imports`);
    if (start !== -1 || finished.has(file)) return;
    path.push(file);
    for (const imported of importsOf(root, file, files)) visit(imported);
    path.pop();
    finished.add(file);
  };
  for (const file of files) visit(file);
  return found;
}

/** What breaks the rules in the tree at `root`: a line for each. */
export function violationsIn(root) {
  return [...nativeViolations(root), ...wrongArrows(root), ...cycles(root)];
}

const script = fileURLToPath(import.meta.url);
if (process.argv[1] === script) {
  const violations = violationsIn(process.argv[2] ?? join(dirname(script), '..'));
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) process.exitCode = 1;
}
