// The dependency rules of the TypeScript: lib → src by the package's public name, src → native in src/binding.ts alone.
'use strict';

const ADDON = {
  regex: String.raw`^bindings$|\.node$`,
  message: 'Only src/binding.ts loads the addon.',
};
const LIB = {
  regex: String.raw`^node-dax(/|$)|(^|/)lib(/|$)`,
  message: 'src/ knows nothing of lib/, nor itself by its public name.',
};
const SRC = {
  regex: String.raw`(^|/)src(/|$)|(^|/)dist(/|$)`,
  message: "lib/ imports the public entry points only, as a stranger's filesystem would: 'node-dax'.",
};
const SIDEWAYS = (ups) => ({
  regex: String.raw`^(\./)*(\.\./){${ups}}`,
  message: 'A folder of lib/ imports nothing beside it; lib/cli alone puts them together.',
});
const EXT2 = {
  regex: String.raw`^node-dax/ext2$`,
  message: 'node-dax/fs stands on lib/fs/contract.ts: any filesystem may lie under it, and under node-dax/vfs.',
};
const OUTSIDE = (ups) => ({
  regex: String.raw`^(\./)*(\.\./){${ups}}`,
  message: 'An import by path stays in lib/.',
});

// A path in import(), in a type's import() or in require() is the same arrow as one in a declaration.
function refuse(...patterns) {
  return restrict(patterns, []);
}

// The public API's errors of arguments have codes.
const BARE = { selector: 'NewExpression[callee.name=/^(Type|Range)Error$/]', message: 'Use argumentError, which gives it a code.' };
function refuseBare(...patterns) {
  return restrict(patterns, [BARE]);
}

function restrict(patterns, others) {
  const selectors = (pattern) => {
    const value = `[value=/${pattern.regex.replaceAll('/', String.raw`\u002F`)}/]`;
    return [
      { selector: `ImportExpression > Literal.source${value}`, message: pattern.message },
      { selector: `TSImportType Literal${value}`, message: pattern.message },
      { selector: `TSExternalModuleReference > Literal${value}`, message: pattern.message },
      { selector: `CallExpression[callee.name=/^require$|Require$/] > Literal${value}`, message: pattern.message },
    ];
  };
  return {
    'no-restricted-imports': ['error', { patterns }],
    'no-restricted-syntax': [
      'error',
      ...patterns.flatMap(selectors),
      ...(patterns.includes(ADDON) ? [{ selector: 'MemberExpression[property.name="dlopen"]', message: ADDON.message }] : []),
      ...others,
    ],
  };
}

module.exports = [
  { files: ['src/**/*.ts'], rules: refuseBare(ADDON, LIB) },
  { files: ['src/binding.ts'], rules: refuseBare(LIB) },
  { files: ['lib/*/*.ts'], rules: refuse(ADDON, SRC, SIDEWAYS(1)) },
  { files: ['lib/drivers/*.ts', 'lib/ext2/*.ts', 'lib/famfs/*.ts', 'lib/log/*.ts', 'lib/testkit/*.ts'], rules: refuseBare(ADDON, SRC, SIDEWAYS(1)) },
  { files: ['lib/fs/*.ts', 'lib/vfs/*.ts'], rules: refuse(ADDON, SRC, SIDEWAYS(1), EXT2) },
  { files: ['lib/*/*/*.ts'], rules: refuse(ADDON, SRC, SIDEWAYS(2)) },
  { files: ['lib/fs/*/*.ts'], rules: refuse(ADDON, SRC, SIDEWAYS(2), EXT2) },
  { files: ['lib/ext2/*/*.ts', 'lib/famfs/*/*.ts', 'lib/testkit/*/*.ts'], rules: refuseBare(ADDON, SRC, SIDEWAYS(2)) },
  { files: ['lib/cli/*.ts'], rules: refuse(ADDON, SRC, OUTSIDE(2)) },
  { files: ['lib/cli/*/*.ts'], rules: refuse(ADDON, SRC, OUTSIDE(3)) },
  { files: ['lib/cli/*/*/*.ts'], rules: refuse(ADDON, SRC, OUTSIDE(4)) },
];
