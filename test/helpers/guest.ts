// Says whether this is a guest of `node-dax vm`: emulated, and so many times slower.

export const IN_GUEST = process.env['NODE_DAX_TEST_GUEST'] === '1';
