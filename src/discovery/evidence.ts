// Owns the shape of one observation that an answer of discovery rests on.

/** One observation that a verdict rests on. */
export interface Evidence {
  /** The file or call that it was read from. */
  source: string;
  value: string;
  /** What the value means for DAX. */
  meaning: string;
}
