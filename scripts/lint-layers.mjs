// Checks the dependency rules that ESLint cannot (eslint.layers.js has the others): which file of native/ may call what,
// and that no import of src/ leads back to where it came from. `lint-layers.mjs [ROOT]`; exit status 1 for a violation.

import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const root = process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..');

// Comments may name what the code must not use; string literals may not hide it (assembly is one).
const NATIVE_RULES = [
  {
    pattern: /#\s*include\s*[<"](?:napi\.h|(?:js_native|node)_api\w*\.h|node\.h|v8\.h|uv\.h|(?:addon|args|dax_device|fault_mapping|isolate_client|leased_memory)\.h)[>"]/g,
    allowed: /^(?:addon|args|dax_device|fault_mapping|isolate_client|leased_memory)\.(?:cc|h)$/,
    message: 'Node-API belongs to addon, args, dax_device, fault_mapping, isolate_client and leased_memory',
  },
  {
    pattern: /\b(?:mmap|mmap64|munmap|msync|mremap|ioctl)\s*\(/g,
    allowed: /^(?:source|mapping|mapped_range|backing|persist|userfault|fault_region)\.(?:cc|h)$/,
    message: 'memory is mapped and devices are controlled in source, mapping, mapped_range, backing, persist, userfault and fault_region',
  },
  {
    pattern: /\b_mm_cl(?:wb|flush|flushopt)\b|\b__builtin_ia32_cl\w+|"[^"]*(?:\b|\\[nt])(?:cl(?:wb|flush|flushopt)\s+%|dc\s+cv\w+\s*,|sys\s+#3)/g,
    allowed: /^persist_(?:x86_64|aarch64)\.cc$/,
    message: 'flush instructions belong to persist_<arch>.cc',
  },
];

function filesUnder(folder, extension) {
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

function nativeViolations() {
  return filesUnder('native', /\.(?:cc|h)$/).flatMap((file) => {
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

function importsOf(file, known) {
  const { importedFiles } = ts.preProcessFile(readFileSync(join(root, file), 'utf8'), true, true);
  return importedFiles
    .filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => normalize(join(dirname(file), fileName)).replace(/\.js$/, '.ts'))
    .filter((imported) => known.has(imported));
}

// Imports of types alone count: two files that need each other's types are one idea in two files.
function cycles() {
  const files = new Set(filesUnder('src', /\.ts$/));
  const finished = new Set();
  const path = [];
  const found = [];
  const visit = (file) => {
    const start = path.indexOf(file);
    if (start !== -1) found.push(`${[...path.slice(start), file].join(' → ')}: a cycle of imports`);
    if (start !== -1 || finished.has(file)) return;
    path.push(file);
    for (const imported of importsOf(file, files)) visit(imported);
    path.pop();
    finished.add(file);
  };
  for (const file of files) visit(file);
  return found;
}

const violations = [...nativeViolations(), ...cycles()];
for (const violation of violations) console.error(violation);
if (violations.length > 0) process.exitCode = 1;
