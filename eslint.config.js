'use strict';

const js = require('@eslint/js');
const tseslint = require('typescript-eslint');
const layers = require('./eslint.layers.js');

module.exports = tseslint.config(
  { ignores: ['dist/', 'build/', 'docs/api/', 'node_modules/', '.tap/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: __dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      // It asks for `!`, which no-non-null-assertion forbids.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      // A filesystem may give out objects that stand for an Inode (`implements Inode`); nothing asks for its constructor.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
    },
  },
  {
    // 32-bit operators cut offsets and sizes (src/units.ts).
    files: ['src/**/*.ts', 'lib/**/*.ts'],
    // Its state is flags.
    ignores: ['src/inode/buffer-head.ts'],
    rules: { 'no-bitwise': 'error' },
  },
  ...layers,
  {
    // tap's subtests return promises that the parent waits for by itself.
    files: ['test/**/*.ts'],
    rules: { '@typescript-eslint/no-floating-promises': 'off' },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: { sourceType: 'module', globals: { process: 'readonly', console: 'readonly', performance: 'readonly' } },
  },
  {
    files: ['eslint.*.js', '**/*.cjs'],
    languageOptions: { sourceType: 'commonjs', globals: { Buffer: 'readonly', __dirname: 'readonly', process: 'readonly', console: 'readonly' } },
  },
);
