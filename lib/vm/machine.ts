// Owns the machine that options make: its files, and the QEMU command that has them.

import { join, resolve } from 'node:path';
import { guestEnvironment } from './init/environment.js';
import { SHIM_FOLDER } from './init/guest-paths.js';
import { initramfs } from './init/initramfs.js';
import { loadingLists } from './init/modules.js';
import { commandScript, planScript } from './init/plan.js';
import { fastImage } from './kernel/image.js';
import { carve } from './memory/carved-memory.js';
import { volatileTables } from './memory/nfit.js';
import { isCarved, kindOf } from './memory/nvdimm.js';
import type { Settings } from './options.js';
import { CXL_LABELS, qemuArguments, type Acceleration, type MachineDevice } from './qemu/arguments.js';
import { SOCKETS } from './qemu/guest.js';
import type { Requirements } from './requirements.js';
import { shellQuote } from './shell-quote.js';
import { portsOf, streamsOf } from './streams/carriers.js';

/** Where the files of a machine come from. */
export interface Files {
  /** The path for QEMU of a file without a name, with this content or so many bytes of zeros. */
  nameless(content: () => Buffer | number): string;
  /** The path for QEMU of the file behind the device at `index`. */
  backing(index: number): string;
}

/** The command that starts QEMU, for a machine that is made once and may be started under either acceleration. */
export function machineCommand(settings: Settings, { programs, kernel }: Requirements, initrd: () => Buffer, files: Files): (accel: Acceleration) => string[] {
  const { memory, cpus, persistence, nvdimms, network, append, gdb } = settings;
  const initrdPath = files.nameless(initrd);
  const devices = nvdimms.map((nvdimm, index): MachineDevice => {
    const { source } = kindOf(nvdimm);
    if (isCarved(source)) return { nvdimm };
    const path = files.backing(index);
    return source === 'cxl-pmem' ? { nvdimm, path, labels: files.nameless(() => CXL_LABELS) } : { nvdimm, path };
  });
  const volatile = carve(memory, nvdimms).ranges.filter(({ source }) => source === 'nfit-volatile');
  const acpiTables = volatile.length === 0 ? [] : volatileTables(volatile).map((table) => files.nameless(() => table));
  return (accel) => [
    programs.get('qemu-system-x86_64') ?? '',
    ...qemuArguments({
      accel, memory, cpus, persistence, network, devices, acpiTables,
      kernel: accel === 'tcg' ? fastImage(kernel) : kernel.image,
      initrd: initrdPath,
      sockets: SOCKETS,
      ports: portsOf(streamsOf(settings)),
      rw: settings.rw.map((folder) => resolve(folder)),
      verbose: settings.console !== undefined,
      ...(append === undefined ? {} : { append }),
      ...(gdb === undefined ? {} : { gdb }),
      more: settings.qemuArguments,
    }),
  ];
}

/** The initramfs. `fresh` says of each device whether the guest may make a namespace and a filesystem on it. */
export function guestFiles(settings: Settings, { programs, kernel }: Requirements, fresh: readonly boolean[], trailer: Buffer): Buffer {
  const environment = { ...guestEnvironment(process.env), ...settings.env };
  environment['PATH'] = `${SHIM_FOLDER}:${environment['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin'}`;
  const variable = (program: string): string => program.toUpperCase().replaceAll(/\W/g, '_');
  const main = join(__dirname, '..', 'cli', 'main.js');
  return initramfs({
    busybox: programs.get('busybox') ?? '',
    lists: loadingLists(kernel.modules, settings),
    plan: planScript({
      nvdimms: settings.nvdimms.map((nvdimm, index) => ({ nvdimm, fresh: fresh[index] ?? true })),
      network: settings.network,
      rw: settings.rw.map((folder) => resolve(folder)),
      modulesFolder: resolve(kernel.modulesFolder),
      kernelVersion: kernel.version,
      streams: streamsOf(settings),
      programs: Object.fromEntries([...programs].map(([program, path]) => [variable(program), path])),
    }),
    command: commandScript(settings.command, resolve(settings.cwd), environment),
    shim: `#!/bin/sh\nexec ${shellQuote(process.execPath)} ${shellQuote(main)} "$@"\n`,
    trailer,
  });
}
