// Collects what nobody holds any more.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');

export const gc = runInNewContext('gc') as () => void;
