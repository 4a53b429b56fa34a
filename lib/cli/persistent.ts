// Owns the words for whether memory survives a power cut.

const WORDS = new Map([[true, 'yes'], [false, 'no'], [undefined, 'unknown']]);

/** Of `persistent`, as devices and what lies on them have it. */
export function persistentInWords(persistent: boolean | undefined): string {
  return WORDS.get(persistent) ?? '';
}
