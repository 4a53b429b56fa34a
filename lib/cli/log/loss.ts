// Owns what commands say of records that cannot be read.

import type { Loss, OnLoss } from 'node-dax/log';

/** A loss as a sentence. */
export function inWords({ position, end, byte, code, records }: Loss): string {
  const what = records === undefined ? 'records' : `${records} record${records === 1 ? '' : 's'}`;
  const why = code === 'EIO' ? 'a page of the medium is bad' : 'the bytes are not those that were appended';
  return `lost: ${what} from position ${position} to ${end}, byte ${byte}: ${why}`;
}

/** Tells of a loss on the standard error: the records after it are printed, and the command has failed at its end. */
export function complaining(path: string): OnLoss {
  return (loss) => {
    console.error(`node-dax: ${path}: ${inWords(loss)}`);
    process.exitCode = 1;
  };
}
