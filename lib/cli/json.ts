// Owns the JSON that commands print: the library's names in the spelling of ndctl and daxctl (numa_node).

/** `value` as JSON text with its keys in snake case, as ndctl prints `numaNode` and `persistenceDomain`. */
export function toJson(value: unknown): string {
  return JSON.stringify(withSnakeKeys(value), null, 2);
}

function withSnakeKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withSnakeKeys);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, entry]) => [
      key.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      withSnakeKeys(entry),
    ]),
  );
}
