// Owns the tests of signatureOf(): against what the mkfs programs write, and against the bytes of rows without one.

import t from 'tap';
import { execFileSync, spawnSync } from 'node:child_process';
import { truncateSync, writeFileSync } from 'node:fs';
import { openSync, SIGNATURE_LENGTH, signatureOf } from '../../src/index.js';

const MAKERS: readonly (readonly [name: string, program: string, ...args: string[]])[] = [
  ['ext2, ext3 or ext4', 'mkfs.ext2', '-q', '-F'],
  ['ext2, ext3 or ext4', 'mkfs.ext4', '-q', '-F', '-b', '4096'],
  ['xfs', 'mkfs.xfs', '-q', '-f'],
  ['btrfs', 'mkfs.btrfs', '-q', '-f'],
  ['vfat', 'mkfs.vfat'],
  ['swap', 'mkswap', '-q'],
];

for (const [name, program, ...args] of MAKERS) {
  const missing = spawnSync(program, ['-V']).error !== undefined;
  t.test(program, { skip: missing && `${program} is not installed` }, (t) => {
    const image = `${t.testdir()}/image`;
    writeFileSync(image, '');
    truncateSync(image, 512 * 1024 * 1024);
    execFileSync(program, [...args, image], { stdio: 'ignore' });
    using device = openSync(image, { readOnly: true });
    t.equal(signatureOf(device.view(0, SIGNATURE_LENGTH)), name);
    t.end();
  });
}

t.test('at their offsets', (t) => {
  for (const [name, offset, magic] of [
    ['btrfs', 65600, '_BHRfS_M'],
    ['f2fs', 1024, '\x10\x20\xf5\xf2'],
    ['swap', 65526, 'SWAPSPACE2'],
    ['LUKS', 0, 'LUKS\xba\xbe'],
    ['LVM2', 512, 'LABELONE'],
    ['Linux RAID', 4096, '\xfc\x4e\x2b\xa9'],
    ['BTT (sector mode)', 4096, 'BTT_ARENA_INFO\0\0'],
    ['PFN (fsdax mode)', 4096, 'NVDIMM_PFN_INFO\0'],
    ['DAX (devdax mode)', 4096, 'NVDIMM_DAX_INFO\0'],
    ['libpmemobj pool', 0, 'PMEMOBJ\0'],
    ['famfs', 0, '\xff\x82\xb2\x87\0\0\0\0'],
    ['iso9660', 32769, 'CD001'],
    ['GPT', 512, 'EFI PART'],
    ['MBR', 510, '\x55\xaa'],
  ] as const) {
    const bytes = Buffer.alloc(SIGNATURE_LENGTH);
    bytes.write(magic, offset, 'latin1');
    t.equal(signatureOf(bytes), name);
    bytes.copyWithin(offset + 1, offset, offset + magic.length);
    bytes[offset] = 0;
    t.not(signatureOf(bytes), name, `${name} one byte later is none`);
  }
  t.end();
});

t.test('the filesystem comes before the partition table', (t) => {
  const bytes = Buffer.alloc(SIGNATURE_LENGTH);
  bytes.write('\x55\xaa', 510, 'latin1');
  bytes.write('NTFS    ', 3, 'latin1');
  t.equal(signatureOf(bytes), 'ntfs');
  t.end();
});

t.test('nothing, and too little', (t) => {
  t.equal(signatureOf(new Uint8Array(SIGNATURE_LENGTH)), undefined);
  t.equal(signatureOf(new Uint8Array(0)), undefined);
  t.equal(signatureOf(Buffer.from('XFS')), undefined);
  t.equal(signatureOf(Buffer.from('XFSB')), 'xfs');
  t.end();
});
