// Owns what keeps the ArrayBuffers of a device's memory with those who detach them: what `transfer` makes of one is out of reach.

import { argumentError } from '../argument-error.js';

function refuse(): never {
  throw argumentError('ERR_INVALID_ARG_VALUE', 'memory of a device cannot be transferred: copy what is wanted, as by `view.slice()`');
}

// Node 20 has none of them. What clones an ArrayBuffer (`structuredClone`, `postMessage`) refuses by itself, or copies.
const TRANSFERS = ['transfer', 'transferToFixedLength', 'transferToImmutable'].filter((name) => name in ArrayBuffer.prototype);
const REFUSALS = Object.fromEntries(TRANSFERS.map((name) => [name, { value: refuse }]));

/** Makes the `transfer` methods of `buffer` throw a `TypeError`. Returns it. */
export function keepInPlace(buffer: ArrayBuffer): ArrayBuffer {
  return Object.defineProperties(buffer, REFUSALS);
}
