// Compiles the TypeScript to dist/, and arranges that files that few programs need are loaded late: those that an index.ts exports,
// and those that an import with the comment `// late` names. Such a file is loaded when one of its names is first used. Files are
// loaded only by `require`.

import { spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

// An object takes the place of the file. It has a getter for each name that is used, and the first getter that is called loads the
// file. The uses themselves do not change, because Node finds the names for an `import` of this package in the compiler's output
// for exports. The compiler writes `var` for exports from another file, and `const` for imports. No line moves, so the source maps
// stay valid.
function loadLate(code, isIndex) {
  return code.replaceAll(/^(var|const) (\w+) = (require\("[^"]+"\));( \/\/ late)?$/gm, (line, keyword, file, load, mark) => {
    if (mark === undefined && !(isIndex && keyword === 'var')) return line;
    const names = new Set([...code.matchAll(new RegExp(`\\b${file}\\.(\\w+)`, 'g'))].map(([, name]) => name));
    const getters = [...names].map((name) => `get ${name}() { return (${file} = ${load}).${name}; }`);
    return `let ${file} = { ${getters.join(', ')} };`;
  });
}

// An `import()` of a file of this package becomes a `require`, because the loader of ES modules takes longer to load than the rest
// of Node, and reads the file a second time for its names.
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
