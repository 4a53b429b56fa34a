// Compiles the TypeScript to dist/, and has what few programs need loaded late: what an index.ts exports, and what an import
// with the comment `// late` brings. Such a file is loaded when one of its names is first used. Files are loaded by `require` alone.

import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

// In place of a file stands an object with getters of the names that are used, and the first of them loads the file. Uses stay
// as they are: Node finds the names for an `import` of this package by what the compiler makes of exports. `var` is what it
// writes for exports from another file, `const` for imports. Lines stay where they are, so that the source maps hold.
function loadLate(code, isIndex) {
  return code.replaceAll(/^(var|const) (\w+) = (require\("[^"]+"\));( \/\/ late)?$/gm, (line, keyword, file, load, mark) => {
    if (mark === undefined && !(isIndex && keyword === 'var')) return line;
    const names = new Set([...code.matchAll(new RegExp(`\\b${file}\\.(\\w+)`, 'g'))].map(([, name]) => name));
    const getters = [...names].map((name) => `get ${name}() { return (${file} = ${load}).${name}; }`);
    return `let ${file} = { ${getters.join(', ')} };`;
  });
}

// An `import()` of a file of this package becomes a `require`: the loader of ES modules is the larger part of Node to load, and reads
// the file once more for its names.
function requireOwn(code) {
  return code.replaceAll(/\bimport\(('\.{1,2}\/[^']+')\)/g, 'require($1)');
}

function loadAllLate(folder) {
  for (const entry of readdirSync(folder, { recursive: true })) {
    if (!entry.endsWith('.js')) continue;
    const file = join(folder, entry);
    const code = readFileSync(file, 'utf8');
    const changed = requireOwn(loadLate(code, basename(file) === 'index.js'));
    if (changed !== code) writeFileSync(file, changed);
  }
}

const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', root], { stdio: ['ignore', 2, 2] });
if (status !== 0) process.exit(1);
for (const folder of ['src', 'lib']) loadAllLate(join(root, 'dist', folder));
// npx in a checkout links to it as it is.
chmodSync(join(root, 'dist', 'lib', 'cli', 'main.js'), 0o755);
