// Owns a run from options to exit status: the requirements of this machine, the boot, the fallback, the clean-up.

import { randomBytes } from 'node:crypto';
import { accessSync, closeSync, constants, existsSync, ftruncateSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openBacking, openNameless, type Backing } from './backing-file.js';
import { carve } from './carved-memory.js';
import { EXIT_ESCAPE, EXIT_TIMEOUT, VmError } from './error.js';
import { guestEnvironment } from './environment.js';
import { FIRST_INHERITED, Guest, LOCK_CONFLICT, SOCKETS, type GuestOptions } from './guest.js';
import { loadingLists, requiredModules } from './guest-modules.js';
import { SHIM_FOLDER, commandScript, planScript } from './guest-script.js';
import { initramfs } from './initramfs.js';
import { LentTerminal } from './lent-terminal.js';
import { fastImage, findKernel, kernelRoots, type Kernel } from './kernel.js';
import { volatileTables } from './nfit.js';
import { isCarved, kindOf } from './nvdimm.js';
import { settingsOf, type Settings, type VmOptions } from './options.js';
import { findProgram, missingPackages, type Program } from './programs.js';
import { CXL_LABELS, qemuArguments, type Acceleration, type MachineDevice } from './qemu.js';
import { shellQuote } from './shell-quote.js';
import { carriedOutputs, portsOf, streamsOf, terminalOf, type Streams } from './streams.js';

/** Milliseconds in which a guest under KVM must reach its init, or KVM is given up. */
const KVM_DEADLINE = 20_000;

/** Milliseconds in which the devices of any guest must be ready. */
const BOOT_DEADLINE = 300_000;

/**
 * Runs a command in a guest and resolves to its exit status (128 + n when signal n ended it).
 * Rejects with `VmError` when the guest, not the command, failed, and with `RangeError` for invalid options.
 */
export async function runVm(options: VmOptions): Promise<number> {
  const settings = settingsOf(options);
  settings.signal?.throwIfAborted();
  checkFolders(settings.keep);
  const { programs, kernel } = requirements(settings);
  const resources = new Resources();
  try {
    return await boot(settings, programs, kernel, resources);
  } finally {
    resources.release();
  }
}

/** Why this machine cannot run the guest that `options` ask for; `undefined` if it can. */
export function vmObstacle(options: Omit<VmOptions, 'command'> = {}): string | undefined {
  try {
    requirements(settingsOf({ ...options, command: ['true'] }));
    return undefined;
  } catch (error) {
    if (error instanceof VmError) return error.message;
    throw error;
  }
}

function checkFolders(keep: readonly string[]): void {
  const missing = keep.find((folder) => !existsSync(folder) || !statSync(folder).isDirectory());
  if (missing !== undefined) throw new RangeError(`there is no folder '${missing}' to keep the changes of`);
}

/** Finds the programs and the kernel. Throws one `VmError` that names everything that is missing. */
function requirements(settings: Settings): { programs: ReadonlyMap<Program, string>; kernel: Kernel } {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new VmError(`the guest runs on Linux on x86-64 only, not on ${process.platform} on ${process.arch}`);
  }
  const needed = neededPrograms(settings);
  const packages = missingPackages(needed);
  const problems = packages.length === 0 ? [] : [`packages are missing: sudo apt-get install --no-install-recommends ${packages.join(' ')}`];
  let kernel: Kernel | undefined;
  try {
    kernel = findKernel(kernelRoots(settings.kernel), requiredModules(settings.nvdimms));
  } catch (error) {
    if (!(error instanceof VmError)) throw error;
    problems.push(error.message);
  }
  if (problems.length > 0 || kernel === undefined) throw new VmError(`the guest cannot run: ${problems.join('\n')}`);
  return { programs: new Map(needed.map((program) => [program, findProgram(program) ?? program])), kernel };
}

function neededPrograms({ nvdimms }: Settings): Program[] {
  const kinds = nvdimms.map(kindOf);
  const filesystems = new Set(kinds.flatMap(({ filesystem }) => filesystem ?? []));
  return [
    'qemu-system-x86_64', 'busybox', 'setpriv', 'flock', 'blkid',
    ...(kinds.some(({ mode }) => mode !== undefined) ? ['ndctl' as const] : []),
    ...(kinds.some(({ source }) => source === 'cxl-pmem') ? ['cxl' as const] : []),
    ...[...filesystems].map((filesystem) => `mkfs.${filesystem}` as const),
  ];
}

/** The resources that must be released however the run ends. */
class Resources {
  readonly #releases: (() => void)[] = [];
  readonly #atExit = (): void => { this.release(); };

  constructor() {
    process.once('exit', this.#atExit);
  }

  add(release: () => void): void {
    this.#releases.push(release);
  }

  release(): void {
    process.off('exit', this.#atExit);
    for (const release of this.#releases.splice(0)) release();
  }
}

async function boot(settings: Settings, programs: ReadonlyMap<Program, string>, kernel: Kernel, resources: Resources): Promise<number> {
  const backings = settings.nvdimms.map((nvdimm) => {
    if (isCarved(kindOf(nvdimm).source)) return undefined;
    const backing = openBacking(nvdimm);
    resources.add(() => { backing.release(); });
    return backing;
  });
  const inherited: number[] = [];
  const inherit = (fd: number): string => `/proc/self/fd/${FIRST_INHERITED + inherited.push(fd) - 1}`;
  const nameless = (content: Buffer | number): string => {
    const fd = openNameless();
    resources.add(() => { closeSync(fd); });
    if (typeof content === 'number') ftruncateSync(fd, content);
    else writeFileSync(fd, content);
    return inherit(fd);
  };
  const trailer = randomBytes(16);
  const initrd = nameless(guestFiles(settings, programs, kernel, backings, trailer));
  const devices = settings.nvdimms.map((nvdimm, index): MachineDevice => {
    const source = backings[index]?.source;
    if (source === undefined) return { nvdimm };
    const path = 'fd' in source ? inherit(source.fd) : source.path;
    return kindOf(nvdimm).source === 'cxl-pmem' ? { nvdimm, path, labels: nameless(CXL_LABELS) } : { nvdimm, path };
  });
  const volatile = carve(settings.memory, settings.nvdimms).ranges.filter(({ source }) => source === 'nfit-volatile');
  const acpiTables = volatile.length === 0 ? [] : volatileTables(volatile).map(nameless);
  const streams = streamsOf(settings);
  const start = (accel: Acceleration): Guest => {
    const { memory, cpus, persistence } = settings;
    const image = accel === 'tcg' ? fastImage(kernel) : kernel.image;
    const keep = settings.keep.map((folder) => resolve(folder));
    const machine = { accel, memory, cpus, persistence, kernel: image, initrd, sockets: SOCKETS, ports: portsOf(streams), devices, acpiTables, keep };
    const qemu = [programs.get('qemu-system-x86_64') ?? '', ...qemuArguments(machine)];
    // QEMU ends when this process ends, in whatever way, and holds exclusive locks on the caller's files.
    const locks = backings.flatMap((backing) => (backing !== undefined && 'path' in backing.source ? [backing.source.path] : []));
    const lock = (file: string): string[] => [programs.get('flock') ?? '', '--no-fork', '--nonblock', '--conflict-exit-code', String(LOCK_CONFLICT), file];
    const guest = new Guest({
      program: programs.get('setpriv') ?? '',
      arguments: ['--pdeathsig', 'KILL', '--', ...locks.flatMap(lock), ...qemu],
      inherited,
      trailer,
      sinks: sinksOf(settings, streams),
    });
    guest.once('provisioned', () => {
      try {
        backings.forEach((backing) => { backing?.keep(); });
        feed(settings, guest);
      } catch (error) {
        guest.kill(error);
      }
    });
    return guest;
  };
  return await withFallback(settings, start);
}

/** The destinations of the ports that carry the command's output. */
function sinksOf(settings: Settings, streams: Streams): GuestOptions['sinks'] {
  const terminal = terminalOf(settings);
  return {
    ...Object.fromEntries(carriedOutputs(streams).map((name) => [name, settings[name]])),
    ...(terminal === undefined ? {} : { terminal: terminal.output }),
  };
}

/** Passes the command's input to the guest until the guest ends. */
function feed(settings: Settings, guest: Guest): void {
  const { stdin } = settings;
  const terminal = terminalOf(settings);
  if (terminal !== undefined) {
    const lent = new LentTerminal(terminal, {
      input: guest.input('terminal'),
      resize: (rows, columns) => { guest.resize(rows, columns); },
      escape: () => { guest.kill(new VmError('ended by Ctrl-], typed three times', EXIT_ESCAPE)); },
    });
    guest.status.then(() => { lent.giveBack(true); }, () => { lent.giveBack(false); });
  } else if (stdin !== undefined) {
    const input = guest.input('stdin');
    const broken = (error: Error): void => { guest.kill(new VmError(`the standard input cannot be read: ${error.message}`)); };
    stdin.on('error', broken);
    stdin.pipe(input);
    const end = (): void => {
      stdin.unpipe(input);
      stdin.off('error', broken);
      stdin.pause();
    };
    guest.status.then(end, end);
  }
}

/** Runs the guest under the given acceleration. `auto` falls back from KVM if the guest does not reach its init. */
async function withFallback(settings: Settings, start: (accel: Acceleration) => Guest): Promise<number> {
  const limits = new Limits(settings);
  try {
    if (settings.accel !== 'auto') return await limits.watch(start(settings.accel));
    const obstacle = kvmObstacle();
    if (obstacle === undefined) {
      const guest = start('kvm');
      let alive = false as boolean;
      guest.once('init', () => { alive = true; });
      const deadline = setTimeout(() => { if (!alive) guest.fail(`no sign of life in ${KVM_DEADLINE / 1000} s`); }, KVM_DEADLINE);
      try {
        return await limits.watch(guest);
      } catch (error) {
        if (alive || limits.reached || !(error instanceof VmError)) throw error;
        settings.onNotice?.(`KVM does not run the guest (${error.message.split('\n')[0] ?? ''}): going on with emulation, which is slower`);
      } finally {
        clearTimeout(deadline);
      }
    } else {
      settings.onNotice?.(`${obstacle}: the guest is emulated, which is slower`);
    }
    return await limits.watch(start('tcg'));
  } finally {
    limits.clear();
  }
}

function kvmObstacle(): string | undefined {
  if (!existsSync('/dev/kvm')) return 'there is no /dev/kvm';
  try {
    accessSync('/dev/kvm', constants.R_OK + constants.W_OK);
    return undefined;
  } catch {
    return 'you may not open /dev/kvm';
  }
}

/** The caller's timeout and abort signal, which apply to every guest of the run. */
class Limits {
  /** Whether the timeout has passed or the signal was aborted. */
  reached = false;
  #guest: Guest | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #abort = (): void => {
    this.#end((guest) => { guest.kill(this.#signal?.reason); });
  };

  constructor({ timeout, signal }: Settings) {
    this.#signal = signal;
    signal?.addEventListener('abort', this.#abort);
    if (timeout !== undefined) {
      this.#timer = setTimeout(() => {
        this.#end((guest) => { guest.kill(new VmError(`the command did not end in ${timeout} s`, EXIT_TIMEOUT)); });
      }, timeout * 1000);
    }
  }

  async watch(guest: Guest): Promise<number> {
    this.#guest = guest;
    const late = setTimeout(() => { guest.fail(`the guest was not ready in ${BOOT_DEADLINE / 1000} s`); }, BOOT_DEADLINE);
    guest.once('provisioned', () => { clearTimeout(late); });
    try {
      return await guest.status;
    } finally {
      clearTimeout(late);
    }
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#abort);
  }

  #end(how: (guest: Guest) => void): void {
    this.reached = true;
    if (this.#guest !== undefined) how(this.#guest);
  }
}

function guestFiles(
  settings: Settings,
  programs: ReadonlyMap<Program, string>,
  kernel: Kernel,
  backings: readonly (Backing | undefined)[],
  trailer: Buffer,
): Buffer {
  const environment = { ...guestEnvironment(process.env), ...settings.env };
  environment['PATH'] = `${SHIM_FOLDER}:${environment['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin'}`;
  const variable = (program: Program): string => program.toUpperCase().replaceAll(/\W/g, '_');
  const main = join(__dirname, '..', 'cli', 'main.js');
  return initramfs({
    busybox: programs.get('busybox') ?? '',
    lists: loadingLists(kernel.modules, settings.nvdimms),
    plan: planScript({
      nvdimms: settings.nvdimms.map((nvdimm, index) => ({ nvdimm, fresh: backings[index]?.fresh ?? true })),
      keep: settings.keep.map((folder) => resolve(folder)),
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
