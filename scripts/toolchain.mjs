// Owns what compiling the addon needs of a machine, and the names of the packages that bring it.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const TOOLS = [
  ['a C++ compiler', ['c++', 'g++', 'clang++'], 'g++'],
  ['make', ['make', 'gmake'], 'make'],
  ['Python 3', ['python3', 'python'], 'python3'],
];

function onPath(names) {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const isExecutable = (file) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  return names.some((name) => folders.some((folder) => isExecutable(join(folder, name))));
}

/** A sentence that names what this machine lacks and the command that brings it; undefined where nothing is missing. */
export function missingTools() {
  const missing = TOOLS.filter(([, names]) => !onPath(process.env.CXX ? [...names, process.env.CXX] : names));
  if (missing.length === 0) return undefined;
  const packages = missing.map(([, , name]) => name).join(' ');
  return `to build the addon this machine lacks ${missing.map(([what]) => what).join(', ')}; Debian and Ubuntu: apt-get install ${packages}`;
}
