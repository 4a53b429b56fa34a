// Owns the words for whether memory survives a power cut.

const WORDS = new Map([[true, 'yes'], [false, 'no'], [undefined, 'unknown']]);

/** The word for the property `persistent` of a device or of something on one. */
export function persistentInWords(persistent: boolean | undefined): string {
  return WORDS.get(persistent) ?? '';
}
