// The search for a kernel, and the modules of one that is only unpacked.

import t from 'tap';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { findKernel, kernelRoots } from '../../lib/vm/kernel/find.js';
import { loadingLists, requiredModules } from '../../lib/vm/init/modules.js';

function module(depends: string, signed = false): string {
  const body = `\x7fELF\0license=GPL\0depends=${depends}\0name=x\0`;
  // struct module_signature: 12 bytes, the last four the length of the signature before it.
  return signed ? `${body}SIGN${'\0'.repeat(8)}\0\0\0\x04~Module signature appended~\n` : body;
}

/** A kernel as `dpkg -x` leaves it. */
function kernel(version: string, modules: Record<string, string | Buffer>, config = '# CONFIG_MODULE_SIG_FORCE is not set\n'): object {
  const kernel = Object.fromEntries(Object.entries(modules).map(([name, content]) => [name, content]));
  return {
    boot: { [`vmlinuz-${version}`]: 'image', [`config-${version}`]: config },
    lib: { modules: { [version]: { 'modules.builtin': 'kernel/drivers/virtio/virtio_pci.ko\n', kernel } } },
  };
}

t.test('the newest kernel that has the modules', (t) => {
  const root = t.testdir({
    boot: { 'vmlinuz-6.1.0-9-amd64': '', 'vmlinuz-6.1.0-10-amd64': '', 'vmlinuz-6.1.0-11-cloud': '' },
    lib: {
      modules: {
        '6.1.0-9-amd64': { 'modules.builtin': '', 'brd.ko': module('') },
        '6.1.0-10-amd64': { 'modules.builtin': '', 'brd.ko': module('') },
        '6.1.0-11-cloud': { 'modules.builtin': '' },
      },
    },
  });
  t.equal(findKernel([root], ['brd']).version, '6.1.0-10-amd64', '10 is after 9, and 11 lacks a module');
  t.throws(() => findKernel([root], ['brd', '9p']), {
    name: 'VmError',
    exitStatus: 125,
    message: /vmlinuz-6\.1\.0-11-cloud: it lacks the modules brd, 9p\n.*vmlinuz-6\.1\.0-10-amd64: it lacks the modules 9p\n/,
  });
  t.end();
});

t.test('kernels that cannot be used are told apart', (t) => {
  const root = t.testdir({ boot: { 'vmlinuz-5': '' } });
  t.throws(() => findKernel([root], []), { message: /vmlinuz-5: it has no lib\/modules\/5 beside it/ });
  t.test('one that may not be read', { skip: process.getuid?.() === 0 && 'root reads everything' }, (t) => {
    const guarded = t.testdir(kernel('6', {}) as never);
    chmodSync(join(guarded, 'boot', 'vmlinuz-6'), 0);
    t.throws(() => findKernel([guarded], []), { message: /you may not read it .*sudo chmod a\+r/ });
    t.end();
  });
  t.end();
});

/** The header of a bzImage, with its version. */
function bzImage(version: string): Buffer {
  const image = Buffer.alloc(4096);
  image.write('HdrS', 0x202, 'latin1');
  image.writeUInt16LE(0x800, 0x20e);
  image.write(`${version} (someone@somewhere) #1 SMP\0`, 0xa00, 'latin1');
  return image;
}

t.test('the kernel of one\'s choice: a folder, a version, an image', (t) => {
  const modules = () => ({ 'modules.builtin': '', kernel: { 'brd.ko': module('') } });
  const folder = t.testdir({
    debian: { boot: { 'vmlinuz-6.1': '', 'vmlinuz-6.2': '' }, lib: { modules: { '6.1': modules(), '6.2': modules() } } },
    fedora: { lib: { modules: { '6.9': { ...modules(), vmlinuz: bzImage('6.9'), config: 'CONFIG_MODULE_SIG_FORCE=y\n' } } } },
    tree: {
      arch: { x86: { boot: { bzImage: bzImage('6.10.0-mine') } } },
      drivers: { 'brd.ko': module('') },
      'modules.builtin': '',
      '.config': 'CONFIG_PVH=y\n',
      source: t.fixture('symlink', '.'),
    },
    other: { 'an-image': bzImage('6.2'), text: 'no kernel' },
  });
  const at = (path: string) => join(folder, path);
  const roots = [at('debian'), at('fedora')];
  const found = (asked?: string): [string, string] => {
    const { version, modulesFolder } = findKernel(roots, ['brd'], asked);
    return [version, modulesFolder];
  };
  t.strictSame(found(), ['6.2', at('debian/lib/modules/6.2')]);
  t.strictSame(found('6.1'), ['6.1', at('debian/lib/modules/6.1')]);
  t.strictSame(found('6.9'), ['6.9', at('fedora/lib/modules/6.9')]);
  t.strictSame(found(at('fedora')), ['6.9', at('fedora/lib/modules/6.9')]);
  t.strictSame(found(at('debian/boot/vmlinuz-6.1')), ['6.1', at('debian/lib/modules/6.1')], 'its name has the version');
  t.strictSame(found(at('fedora/lib/modules/6.9/vmlinuz')), ['6.9', at('fedora/lib/modules/6.9')]);
  t.strictSame(found(at('other/an-image')), ['6.2', at('debian/lib/modules/6.2')], 'its header has the version');
  t.strictSame(found(at('tree')), ['6.10.0-mine', at('tree')]);
  t.strictSame(found(at('tree/arch/x86/boot/bzImage')), ['6.10.0-mine', at('tree')]);
  t.ok(findKernel(roots, ['brd'], at('tree')).config.has('CONFIG_PVH=y'));
  t.throws(() => found('7.0'), { name: 'VmError', message: /of version 7\.0 in .*\(which have 6\.2, 6\.1, 6\.9\)/ });
  t.throws(() => found(at('other/text')), { message: /text: it is no kernel image for x86/ });
  t.end();
});

t.test('where kernels are looked for', (t) => {
  const environment = { ...process.env };
  t.teardown(() => { process.env = environment; });
  process.env['XDG_CACHE_HOME'] = '/cache';
  process.env['NODE_DAX_VM_KERNEL'] = '/named';
  t.strictSame(kernelRoots(), ['/named', '/cache/node-dax/kernel', '/']);
  delete process.env['NODE_DAX_VM_KERNEL'];
  process.env['XDG_CACHE_HOME'] = '';
  process.env['HOME'] = '/home/someone';
  t.strictSame(kernelRoots(), ['/home/someone/.cache/node-dax/kernel', '/']);
  t.end();
});

t.test('modules come after what they depend on, uncompressed and unsigned', (t) => {
  const root = t.testdir(
    kernel('6', {
      'libnvdimm.ko': module(''),
      'nfit.ko': module('libnvdimm', true),
      'nd_btt.ko': module('libnvdimm'),
      'nd_pmem.ko.gz': gzipSync(module('libnvdimm,nd-btt')),
      'brd.ko': module(''),
      '9pnet.ko': module(''),
      '9pnet_virtio.ko': module('9pnet,virtio'),
      '9p.ko': module('9pnet'),
      'overlay.ko': module(''),
      'virtio.ko': module(''),
      'virtio_console.ko': module('virtio'),
      'hwpoison-inject.ko': module(''),
    }) as never,
  );
  const devices = { nvdimms: [{ size: 2 ** 26, kind: 'pmem' as const }], network: false };
  const { modules } = findKernel([root], requiredModules(devices));
  const lists = loadingLists(modules, devices);
  t.strictSame(lists.map(({ name, text }) => [name, text.trim().split('\n')]), [
    ['ports', ['virtio', 'virtio_console']],
    ['root', ['9pnet', '9pnet_virtio', '9p', 'overlay']],
    ['memory', ['libnvdimm', 'nfit', 'nd_btt', 'nd_pmem', 'brd rd_nr=1 rd_size=262144', 'hwpoison_inject']],
    ['filesystems', ['']],
  ]);
  const contents = lists.flatMap((list) => list.modules);
  t.equal(contents.find(({ name }) => name === 'nfit')?.content.toString('latin1'), module('libnvdimm'));
  t.equal(contents.find(({ name }) => name === 'nd_pmem')?.content.toString('latin1'), module('libnvdimm,nd-btt'));
  t.end();
});

t.test('a kernel that wants signatures gets them', (t) => {
  const root = t.testdir(kernel('6', { 'brd.ko': module('', true) }, 'CONFIG_MODULE_SIG_FORCE=y\n') as never);
  const [brd] = findKernel([root], ['brd']).modules.inLoadingOrder(['brd']);
  t.match(brd?.content.toString('latin1'), /~Module signature appended~\n$/);
  t.end();
});
