// Refuses to pack a package that nobody can load. `check-package.mjs`, before `npm pack`, requires a prebuilt addon; with
// `--publish`, before `npm publish`, all four of them, and addresses without the placeholder.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const isPublished = process.argv[2] === '--publish';

const prebuilds = ['x64', 'arm64'].flatMap((arch) => ['glibc', 'musl'].map((libc) => `prebuilds/linux-${arch}/node_dax.${libc}.node`));
const missing = prebuilds.filter((file) => !existsSync(join(root, file)));
const wrong = [];
if (isPublished && missing.length > 0) wrong.push(`there is no ${missing.join(', no ')}; .github/workflows/release.yml publishes, with all of them`);
if (missing.length === prebuilds.length) wrong.push('there is no prebuilt addon; `npm run prebuildify` makes the one of this machine');
if (!existsSync(join(root, 'dist', 'src', 'index.js'))) wrong.push('there is no dist/; `npm run build` makes it');
for (const file of isPublished ? ['package.json', 'README.md'] : []) {
  if (/github\.com\/OWNER\//.test(readFileSync(join(root, file), 'utf8'))) wrong.push(`${file} has OWNER where the repository's owner belongs`);
}
for (const line of wrong) console.error(`node-dax: not packed: ${line}`);
process.exitCode = wrong.length > 0 ? 1 : 0;
