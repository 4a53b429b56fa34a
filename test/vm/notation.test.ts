// Sizes and NVDIMMs as they are written on the command line.

import t from 'tap';
import { resolve } from 'node:path';
import { DEFAULT_NVDIMMS, NVDIMM_KINDS, checkNvdimm, labelVariable, parseDevice, parseNvdimm } from '../../lib/vm/memory/nvdimm.js';
import { GIB, MIB, formatSize, parseSize } from '../../lib/vm/size.js';

t.test('sizes', (t) => {
  t.equal(parseSize('4096'), 4096);
  t.equal(parseSize('512K'), 512 * 1024);
  t.equal(parseSize('512m'), 512 * MIB);
  t.equal(parseSize('2G'), 2 * GIB);
  t.equal(parseSize('2GiB'), 2 * GIB);
  t.equal(parseSize('1T'), 1024 * GIB);
  for (const text of ['', '0', '-1M', '1.5G', '512 M', '512X', '0x10', '1e3', 'G', '99999999999T']) {
    t.throws(() => parseSize(text), { name: 'RangeError', message: `'${text}' is not a size such as 512M or 2G` }, `'${text}'`);
  }
  for (const bytes of [1, 1000, 4096, 512 * MIB, 3 * GIB, 1024 * GIB]) t.equal(parseSize(formatSize(bytes)), bytes);
  t.end();
});

t.test('NVDIMMs', (t) => {
  t.strictSame(parseNvdimm('512M:devdax'), { size: 512 * MIB, kind: 'devdax' });
  t.strictSame(parseNvdimm('1G:fsdax-xfs:a.img'), { size: GIB, kind: 'fsdax-xfs', file: resolve('a.img') });
  t.strictSame(parseNvdimm('64M:pmem:/a:b').file, '/a:b', 'a file name may have colons');
  t.throws(() => parseNvdimm('512M'), { name: 'RangeError', message: /^'' is not a kind of NVDIMM: .*devdax-2m.*virtio-pmem/ });
  t.throws(() => parseNvdimm('512M:toString'), { message: /^'toString' is not a kind/ });
  t.throws(() => parseNvdimm('512M:pmem:'), { message: /ends where a file name is expected/ });
  t.throws(() => parseNvdimm('big:pmem'), { message: /'big' is not a size/ });
  t.throws(() => parseNvdimm('100M:pmem'), { message: /multiple of 16M/ });
  t.throws(() => parseNvdimm('16M:pmem'), { message: /from 32M to 1T/ });
  t.throws(() => parseNvdimm('304M:fsdax-xfs'), { message: /from 320M/ });
  t.throws(() => parseNvdimm('2T:pmem'), { message: /to 1T/ });
  t.throws(() => { checkNvdimm({ size: NaN, kind: 'pmem' }); }, RangeError);
  t.end();
});

t.test('labels', (t) => {
  t.strictSame(parseNvdimm('64M:devdax=journal'), { size: 64 * MIB, kind: 'devdax', label: 'journal' });
  t.strictSame(parseNvdimm('64M:fsdax-ext4=my-data2:a=b'), { size: 64 * MIB, kind: 'fsdax-ext4', label: 'my-data2', file: resolve('a=b') });
  t.strictSame(parseDevice('hmem=far'), { size: 256 * MIB, kind: 'hmem', label: 'far' });
  t.equal(labelVariable('my-data2'), 'NODE_DAX_TEST_MY_DATA2');
  for (const label of ['', 'A', '1a', 'a b', 'a/b', '-a', 'a-', "a'", 'a=b']) {
    t.throws(() => parseNvdimm(`64M:devdax=${label}`), { name: 'RangeError', message: `'${label}' is not a name for an NVDIMM: use lower-case letters, digits and dashes, with a letter first` });
  }
  for (const label of ['devdax', 'ext4', 'pmem-2', 'guest', 'brd']) t.throws(() => parseNvdimm(`64M:devdax=${label}`), { message: /is the name of a kind of NVDIMM/ });
  t.end();
});

t.test('other devices', (t) => {
  t.strictSame(parseDevice('hmem'), { size: 256 * MIB, kind: 'hmem' });
  t.strictSame(parseDevice('fsdax-xfs').size, 320 * MIB, 'the least there is');
  t.strictSame(parseDevice('64M:unarmed:a.img'), { size: 64 * MIB, kind: 'unarmed', file: resolve('a.img') });
  t.throws(() => parseDevice('cxl'), { name: 'RangeError', message: /is not a kind of NVDIMM/ });
  t.throws(() => parseDevice('272M:cxl-pmem'), { message: /multiple of 256M/ });
  for (const kind of ['hmem', 'e820', 'nfit-volatile', 'cxl-pmem']) {
    t.throws(() => parseDevice(`256M:${kind}:a.img`), { name: 'RangeError', message: /has no file/ });
  }
  t.end();
});

t.test('the default set has every kind of NVDIMM but ext2, virtio-pmem, and the 4 KiB device-dax in region 1', (t) => {
  DEFAULT_NVDIMMS.forEach(checkNvdimm);
  const kinds = DEFAULT_NVDIMMS.map(({ kind }) => kind);
  t.equal(kinds[1], 'devdax');
  const nvdimms = Object.entries(NVDIMM_KINDS).flatMap(([kind, { source }]) => (source === 'nvdimm' ? [kind] : []));
  t.strictSame(new Set([...kinds, 'fsdax-ext2']), new Set([...nvdimms, 'virtio-pmem']));
  const sizes = new Set(DEFAULT_NVDIMMS.filter(({ kind }) => kind !== 'virtio-pmem').map(({ size }) => size));
  t.equal(sizes.size, 1, 'one size: only then is the order of the regions the order of the set');
  t.end();
});
