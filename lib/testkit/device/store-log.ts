// Owns a trace as text, in the format of pmemcheck's store log, which pmreorder and its kin replay.

import { argumentError } from 'node-dax';
import { forEachWord, type Trace, type TraceEvent } from './trace.js';

const hex = (number: number | bigint) => `0x${number.toString(16)}`;

// A value in little-endian byte order, as pmemcheck logs the content of a register.
function value(bytes: Uint8Array): string {
  return `0x${Buffer.from(bytes).reverse().toString('hex')}`;
}

// pmreorder ends a name at a full stop, and looks for START and STOP in the whole text.
const markerName = (name: string) => name.toLowerCase().replace(/[^a-z0-9]+/g, '_');

function entry(event: TraceEvent): string {
  switch (event.kind) {
    case 'store': {
      const { pos, bytes } = event;
      let text = '';
      forEachWord(pos, bytes.byteLength, (at, length) => {
        text += `|STORE;${hex(at)};${value(bytes.subarray(at - pos, at - pos + length))};${hex(length)}\n`;
      });
      return text;
    }
    case 'flush':
      return `|FLUSH;${hex(event.pos)};${hex(event.length)}\n`;
    // There is no line end after a name, because it would be read as a part of the name.
    case 'fence':
      return '|FENCE';
    case 'mark':
      return `|${markerName(event.name)}.${event.edge.toUpperCase()}`;
  }
}

/**
 * `trace` as pmemcheck logs it (`--log-stores=yes`): `STORE;address;value;size` for every piece of at most 8 aligned
 * bytes, `FLUSH;address;size`, `FENCE`, and `name.BEGIN` and `name.END` for marks, each after a `|`, numbers in
 * hexadecimal. Addresses are bytes from the start of the device. `path` is the file that holds `trace.content` when a
 * tool replays it; it may not contain `|`, `;`, START or STOP.
 */
export function storeLog(trace: Trace, path: string): string {
  if (/[|;\n]|START|STOP/.test(path)) throw argumentError('ERR_OUT_OF_RANGE', `a store log cannot name the path ${path}`);
  const file = `|REGISTER_FILE;${path};0x0;${hex(trace.content.byteLength)};0x0\n`;
  return `START${file}${trace.events.map(entry).join('')}|STOP\n`;
}
