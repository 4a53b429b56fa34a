// The package in bundles and in a single executable: left outside, or refused with the sentence that helps.

import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { PREBUILT, PRINTED, isMusl, must, run, testWith, type Place } from './consumer.js';

const BUNDLERS = ['esbuild@0.28', 'webpack@5', 'rollup@4', '@rollup/plugin-node-resolve@16', '@rollup/plugin-commonjs@29', '@vercel/nft@1'];

/** Runs in the folder of the bundlers: `bundle.cjs NAME ENTRY OUTPUT [external]`. */
const BUNDLE = `
const [, , name, entry, output, external] = process.argv;
const { basename, dirname } = require('node:path');
const bundle = {
  esbuild: () => require('esbuild').build({ entryPoints: [entry], outfile: output, bundle: true, platform: 'node', external: external ? ['node-dax'] : [] }),
  webpack: () => new Promise((resolve, reject) => {
    const externals = external ? { 'node-dax': 'commonjs node-dax' } : {};
    const place = { path: dirname(output), filename: basename(output) };
    require('webpack')({ mode: 'production', target: 'node', context: dirname(entry), entry, output: place, externals }, (error, stats) => {
      if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString('errors-only')));
      else resolve();
    });
  }),
  rollup: async () => {
    const plugins = [require('@rollup/plugin-node-resolve').default({ preferBuiltins: true }), require('@rollup/plugin-commonjs').default()];
    const made = await require('rollup').rollup({ input: entry, plugins, external: external ? ['node-dax', /^node:/] : [/^node:/], logLevel: 'silent' });
    await made.write({ file: output, format: 'es' });
  },
  nft: async () => {
    const { fileList } = await require('@vercel/nft').nodeFileTrace([entry], { base: dirname(entry) });
    console.log([...fileList].join('\\n'));
  },
};
bundle[name]().catch((error) => { console.error(error); process.exitCode = 1; });
`;

const ENTRY = `
try {
  const device = openSync(process.argv.at(-1), { size: 65536 });
  device.writeSync(Buffer.from('persistent memory'), 4090);
  console.log(Buffer.from(device.view(4090, 17)).toString());
  device.closeSync();
} catch (error) {
  console.log(error.reason + ': ' + error.hint);
}
`;

export function bundlers(t: Test, { folder, project, bare }: Place): void {
  const output = join(folder, 'bundles');
  const addon = { NODE_DAX_ADDON: join(project, 'node_modules', 'node-dax', PREBUILT) };
  writeFileSync(join(project, 'entry.cjs'), `const { openSync } = require('node-dax');\n${ENTRY}`);
  writeFileSync(join(project, 'entry.mjs'), `import { openSync } from 'node-dax';\n${ENTRY}`);

  testWith(t, 'bundlers', 'bundlers', BUNDLERS, (t, modules) => {
    const script = join(modules, '..', 'bundle.cjs');
    writeFileSync(script, BUNDLE);
    for (const [name, entry] of [['esbuild', 'entry.cjs'], ['webpack', 'entry.cjs'], ['rollup', 'entry.mjs']] as const) {
      const bundled = join(output, `${name}-${entry}`);
      must(process.execPath, [script, name, join(project, entry), bundled], { cwd: project });
      const refused = run('node', [bundled, join(folder, name)], bare);
      t.match(refused.stdout, /^ADDON_IN_BUNDLE: .*make 'node-dax' an external package/, `${name}: the sentence that helps`);
      t.equal(run('node', [bundled, join(folder, name)], { ...bare, env: addon }).stdout, PRINTED, `${name}: NODE_DAX_ADDON`);

      const outside = join(project, `${name}-${entry}`);
      must(process.execPath, [script, name, join(project, entry), outside, 'external'], { cwd: project });
      t.equal(run('node', [outside, join(folder, name)], bare).stdout, PRINTED, `${name}: external`);
    }
    const traced = must(process.execPath, [script, 'nft', join(project, 'entry.cjs')], { cwd: project });
    t.ok(traced.includes(`node_modules/node-dax/${PREBUILT}`), '@vercel/nft finds the addon');

    if (isMusl()) t.pass('a single executable', { skip: 'the registry has Node for glibc' });
    else {
      testWith(t, 'a single executable', 'node-26', [`node-linux-${process.arch}@26`], (t, nodes) => {
        const home = join(folder, 'executable');
        mkdirSync(home);
        const node = join(nodes, `node-linux-${process.arch}`, 'bin', 'node');
        const main = join(output, 'esbuild-entry.cjs');
        writeFileSync(join(home, 'sea.json'), JSON.stringify({ main, output: 'program', disableExperimentalSEAWarning: true }));
        must(node, ['--build-sea', 'sea.json'], { cwd: home });
        const place = { ...bare, cwd: home };
        t.match(run('./program', [join(home, 'file')], place).stdout, /^ADDON_IN_EXECUTABLE: .*beside it, and set NODE_DAX_ADDON/);
        cpSync(addon.NODE_DAX_ADDON, join(home, 'node_dax.node'));
        t.equal(run('./program', [join(home, 'file')], { ...place, env: { NODE_DAX_ADDON: 'node_dax.node' } }).stdout, PRINTED);
      });
    }
  });
}
