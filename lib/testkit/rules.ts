// Owns the rules that the kit looks at, each in the few words of a report. docs/rules.md has them in full.

export const RULES = {
  'FT-6': 'a load of a hole gives zeros, and allocates nothing',
  'FT-9': 'what is stored and what is written is seen through every mapping, in place of the zeros of a hole',
  'FT-11': 'completeUnwritten converts what a fault has filled',
  'GB-1': 'getBlock is asked for blocks of the file, and for whole ones',
  'GB-2': 'a lookup changes nothing',
  'GB-3': 'the size is never grown, and is one contiguous run of whole blocks',
  'GB-4': 'a hole is no error, and nothing positive is returned',
  'GB-6': 'a block just allocated is told (New, Unwritten), or is zeros',
  'GB-7': 'create is never answered by a hole',
  'GB-8': 'no delayed allocation reaches this layer',
  'GB-10': 'errors are a DaxError, or a negative errno',
  'GB-12': 'no block is given to two files, or twice as New',
  'IO-3': 'a read ends at the end of the file, and asks for nothing past it',
  'IO-6': 'an error is told of, and harms nothing that was there before',
  'IO-7': 'holes and unwritten blocks read as zeros, and reading allocates nothing',
  'IO-8': 'what a write leaves of a new block is zeros',
  'IO-10': 'what was synced is there after a power cut',
  'IO-13': 'i_size does not rise before the data is there',
  'IO-14': 'endIo converts what was unwritten',
  'IO-15': 'what lies between the end of the file and a write past it is zeros',
  'IO-16': 'a write that fails or is short leaves no block past the end of the file',
  'LK-4': 'blocks are freed under the lock',
  'TR-6': 'truncation frees the blocks wholly past the end, and no other',
  'TR-7': 'freed blocks are unreachable: size, cache and pointers first',
  'TR-8': 'what a mapping stored past the end of the file is zeros when the file grows',
  'TR-9': 'truncation leaves zeros on the medium behind the new end of the file',
  'TR-10': 'a block that goes to another file shows nothing of the first',
  'TR-12': 'punching frees the blocks of the hole, and no other',
  fsx: 'random operations give what a byte array gives',
  mount: 'a filesystem that can be mounted again is',
} as const;

/** The id of a rule, or a word for what is none of the interface's rules. */
export type RuleId = keyof typeof RULES;
