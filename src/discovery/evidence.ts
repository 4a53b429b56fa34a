// Owns the shape of evidence: one observation on which an answer of discovery is based.

/** One observation on which a verdict is based. */
export interface Evidence {
  /** The file or call that it was read from. */
  source: string;
  value: string;
  /** What the value means for DAX. */
  meaning: string;
}
