// The public interface of node-dax: everything that `import … from 'node-dax'` gives.

export { DaxError, type DaxErrorInit, type DaxErrorReason } from './errors.js';
export { PAGE_SIZE, SECTOR_SIZE, type Bytes } from './units.js';
