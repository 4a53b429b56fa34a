// Owns reading and writing little-endian structures by a table of their fields.

type NumberKind = 'u8' | 'u16' | 'i16' | 'u32' | 'i32';

/** A field at byte `offset` of a structure: a number, `count` 32-bit numbers, or `count` bytes. */
export type Field = readonly [kind: NumberKind, offset: number] | readonly [kind: 'u32s' | 'bytes', offset: number, count: number];

export type Layout = Readonly<Record<string, Field>>;

/** A decoded structure: for each field a number, an array of numbers, or a copy of its bytes. */
export type Decoded<L extends Layout> = {
  -readonly [K in keyof L]: L[K][0] extends 'bytes' ? Uint8Array : L[K][0] extends 'u32s' ? number[] : number;
};

/** Returns the table unchanged, with the literal types of its fields. */
export function fields<const L extends Layout>(layout: L): L {
  return layout;
}

const SIZES = { u8: 1, u16: 2, i16: 2, u32: 4, i32: 4 } as const;

/** The size of a field in bytes. */
export function sizeOf(field: Field): number {
  if (field[0] === 'bytes') return field[2];
  return field[0] === 'u32s' ? 4 * field[2] : SIZES[field[0]];
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

// A loop, because Array.from would take most of the time of decoding an inode.
function numbersAt(view: DataView, pos: number, count: number): number[] {
  const numbers: number[] = [];
  for (let index = 0; index < count; index++) numbers.push(view.getUint32(pos + 4 * index, true));
  return numbers;
}

function getField(view: DataView, field: Field, at: number): number | number[] | Uint8Array {
  const pos = at + field[1];
  switch (field[0]) {
    case 'u8':
      return view.getUint8(pos);
    case 'u16':
      return view.getUint16(pos, true);
    case 'i16':
      return view.getInt16(pos, true);
    case 'u32':
      return view.getUint32(pos, true);
    case 'i32':
      return view.getInt32(pos, true);
    case 'u32s':
      return numbersAt(view, pos, field[2]);
    case 'bytes':
      return new Uint8Array(view.buffer, view.byteOffset + pos, field[2]).slice();
  }
}

function setField(view: DataView, field: Field, at: number, value: number | number[] | Uint8Array): void {
  const pos = at + field[1];
  switch (field[0]) {
    case 'u8':
      view.setUint8(pos, value as number);
      break;
    case 'u16':
    case 'i16':
      view.setUint16(pos, value as number, true);
      break;
    case 'u32':
    case 'i32':
      view.setUint32(pos, value as number, true);
      break;
    case 'u32s':
      for (const [index, number] of (value as number[]).entries()) view.setUint32(pos + 4 * index, number, true);
      break;
    case 'bytes':
      new Uint8Array(view.buffer, view.byteOffset + pos, field[2]).set(value as Uint8Array);
      break;
  }
}

/** Decodes the structure that begins at byte `at`. */
export function decode<L extends Layout>(layout: L, bytes: Uint8Array, at = 0): Decoded<L> {
  const view = viewOf(bytes);
  const values: Record<string, unknown> = {};
  for (const name in layout) values[name] = getField(view, layout[name] as Field, at);
  return values as Decoded<L>;
}

/** Encodes the given fields of the structure that begins at byte `at`. Other fields keep their bytes. */
export function encode<L extends Layout>(layout: L, values: Partial<Decoded<L>>, bytes: Uint8Array, at = 0): void {
  const view = viewOf(bytes);
  for (const name in values) {
    const value = values[name];
    if (value !== undefined) setField(view, layout[name as keyof L] as Field, at, value);
  }
}

/** A structure that is read in place. Each field is decoded on access, from the structure at byte `at`, which may be changed. */
export type Reader<L extends Layout> = Readonly<Decoded<L>> & { readonly bytes: Uint8Array; readonly view: DataView; at: number };

/** Makes the reader class of a structure, for reading a few fields of very many structures. */
export function readerOf<L extends Layout>(layout: L): new (bytes: Uint8Array, at?: number) => Reader<L> {
  class Structure {
    readonly bytes: Uint8Array;
    readonly view: DataView;
    at: number;

    constructor(bytes: Uint8Array, at = 0) {
      this.bytes = bytes;
      this.view = viewOf(bytes);
      this.at = at;
    }
  }
  for (const [name, field] of Object.entries(layout)) Object.defineProperty(Structure.prototype, name, { get: getterOf(field) });
  return Structure as unknown as new (bytes: Uint8Array, at?: number) => Reader<L>;
}

type Getter = (this: { readonly view: DataView; readonly at: number }) => number | number[] | Uint8Array;

// One function per kind, because a shared one would look up the kind at each read.
function getterOf(field: Field): Getter {
  const [kind, offset] = field;
  switch (kind) {
    case 'u8':
      return function () { return this.view.getUint8(this.at + offset); };
    case 'u16':
      return function () { return this.view.getUint16(this.at + offset, true); };
    case 'u32':
      return function () { return this.view.getUint32(this.at + offset, true); };
    default:
      return function () { return getField(this.view, field, this.at); };
  }
}
