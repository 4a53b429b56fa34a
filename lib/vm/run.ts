// Owns a run from options to exit status: the boot, the fallback, the guest that runs, the clean-up.

import { randomBytes } from 'node:crypto';
import { closeSync, ftruncateSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT_ESCAPE, VmError } from './error.js';
import { guestFiles, machineCommand } from './machine.js';
import { openBacking, openNameless, type Backing } from './memory/backing-file.js';
import { copySparse } from './memory/image.js';
import { isCarved, kindOf, outlivesPowerCut, type Nvdimm } from './memory/nvdimm.js';
import { settingsOf, type Settings, type VmOptions } from './options.js';
import type { Acceleration } from './qemu/arguments.js';
import { FIRST_INHERITED, Guest, LOCK_CONFLICT, type GuestOptions } from './qemu/guest.js';
import { forgetKvmFailure, kvmObstacle, rememberKvmFailure } from './qemu/kvm.js';
import { Limits } from './qemu/limits.js';
import { findRequirements, type Requirements } from './requirements.js';
import { carriedOutputs, streamsOf, terminalOf, type Streams } from './streams/carriers.js';
import { LentTerminal } from './streams/lent-terminal.js';

/** Milliseconds in which a guest under KVM must reach its init, or KVM is given up. */
const KVM_DEADLINE = 20_000;

/** A guest whose command runs. */
export class Vm {
  /**
   * Resolves to the exit status of the command (128 + n when signal n ended it), after all its output was passed on. Rejects with
   * `VmError` when the guest fails, dies or is ended, and with the reason of `signal`.
   */
  readonly status: Promise<number>;
  readonly #guest: Guest;
  readonly #nvdimms: readonly Nvdimm[];
  readonly #paths: readonly (string | undefined)[];

  /** @internal */
  constructor(guest: Guest, status: Promise<number>, nvdimms: readonly Nvdimm[], paths: readonly (string | undefined)[]) {
    this.#guest = guest;
    this.status = status;
    this.#nvdimms = nvdimms;
    this.#paths = paths;
  }

  /**
   * Copies the content of the NVDIMMs at this instant, as a power cut would leave it. The processors of the guest are stopped while
   * sparse copies are made in `folder`, which may be missing, under names such as `0-devdax.pmem`; no file may have one of these
   * names yet. Resolves to the NVDIMMs for another guest. Memory that does not survive a power cut (`unarmed`, parts of the RAM,
   * CXL memory) has no image, and is new and empty in that guest. Rejects with `VmError` if the guest has ended. A store is in the
   * image as soon as it was made, flushed or not.
   */
  async crash(folder: string): Promise<Nvdimm[]> {
    mkdirSync(folder, { recursive: true });
    return await this.#guest.stopped(() => this.#nvdimms.map(({ size, kind, label }, index) => {
      const description: Nvdimm = { size, kind, ...(label === undefined ? {} : { label }) };
      const path = this.#paths[index];
      if (path === undefined || !outlivesPowerCut(description)) return description;
      const file = join(folder, `${index}-${label ?? kind}.pmem`);
      copySparse(path, file);
      return { ...description, file };
    }));
  }

  /** Ends the guest at once, as a loss of power does. `status` rejects, unless the command has ended. */
  async end(): Promise<void> {
    this.#guest.kill(new VmError('the guest was ended'));
    await this.status.catch(() => undefined);
  }
}

/**
 * Starts a guest, and resolves when its command starts.
 * Rejects with `VmError` when the guest fails before that, with `RangeError` or `TypeError` for invalid options, and with the reason
 * of `signal`.
 */
export async function startVm(options: VmOptions): Promise<Vm> {
  const settings = settingsOf(options);
  settings.signal?.throwIfAborted();
  settings.onStep?.('kernel');
  const requirements = findRequirements(settings);
  const resources = new Resources();
  try {
    return await boot(settings, requirements, resources);
  } catch (error) {
    resources.release();
    throw error;
  }
}

/**
 * Runs a command in a guest and resolves to its exit status (128 + n when signal n ended it).
 * Rejects with `VmError` when the guest, not the command, failed, with `RangeError` or `TypeError` for invalid options, and with the
 * reason of `signal`.
 */
export async function runVm(options: VmOptions): Promise<number> {
  const { status } = await startVm(options);
  return await status;
}

/** Why this machine cannot run the guest that `options` ask for; `undefined` if it can. */
export function vmObstacle(options: Omit<VmOptions, 'command'> = {}): string | undefined {
  try {
    findRequirements(settingsOf({ ...options, command: ['true'] }));
    return undefined;
  } catch (error) {
    if (error instanceof VmError) return error.message;
    throw error;
  }
}

/**
 * The command that would start QEMU, word by word. It starts nothing, and makes no file. Sockets and files without a name appear as
 * the descriptors that the guest's process would have. Throws as `startVm` rejects.
 */
export function qemuCommand(options: VmOptions): string[] {
  const settings = settingsOf(options);
  const requirements = findRequirements(settings);
  let fd = FIRST_INHERITED;
  const next = (): string => `/proc/self/fd/${fd++}`;
  const command = machineCommand(settings, requirements, () => Buffer.of(), {
    nameless: next,
    backing: (index) => settings.nvdimms[index]?.file ?? next(),
  });
  const { accel } = settings;
  return command(accel !== 'auto' ? accel : kvmObstacle() === undefined ? 'kvm' : 'tcg');
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

async function boot(settings: Settings, requirements: Requirements, resources: Resources): Promise<Vm> {
  settings.onStep?.('initramfs');
  const { programs } = requirements;
  const backings = settings.nvdimms.map((nvdimm) => {
    if (isCarved(kindOf(nvdimm).source)) return undefined;
    const backing = openBacking(nvdimm);
    resources.add(() => { backing.release(); });
    return backing;
  });
  const inherited: number[] = [];
  const inherit = (fd: number): string => `/proc/self/fd/${FIRST_INHERITED + inherited.push(fd) - 1}`;
  const trailer = randomBytes(16);
  const initrd = (): Buffer => guestFiles(settings, requirements, backings.map((backing) => backing?.fresh ?? true), trailer);
  const command = machineCommand(settings, requirements, initrd, {
    nameless(content) {
      const fd = openNameless();
      resources.add(() => { closeSync(fd); });
      const bytes = content();
      if (typeof bytes === 'number') ftruncateSync(fd, bytes);
      else writeFileSync(fd, bytes);
      return inherit(fd);
    },
    backing(index) {
      const source = backings[index]?.source;
      if (source === undefined) throw new RangeError(`there is no file behind device ${index}`);
      return 'fd' in source ? inherit(source.fd) : source.path;
    },
  });
  const streams = streamsOf(settings);
  const start = (accel: Acceleration): Guest => {
    settings.onStep?.(accel === 'kvm' ? 'boot under KVM' : 'boot, emulated');
    // QEMU ends when this process ends, in whatever way, and holds locks on the caller's files, so no other guest has them.
    const locks = backings.flatMap((backing) => (backing !== undefined && 'path' in backing.source ? [backing.source.path] : []));
    const lock = (file: string): string[] => [programs.get('flock') ?? '', settings.share ? '--shared' : '--exclusive', '--no-fork', '--nonblock', '--conflict-exit-code', String(LOCK_CONFLICT), file];
    const guest = new Guest({
      program: programs.get('setpriv') ?? '',
      arguments: ['--pdeathsig', 'KILL', '--', ...locks.flatMap(lock), ...command(accel)],
      inherited,
      trailer,
      sinks: sinksOf(settings, streams),
      ...(settings.console === undefined ? {} : { console: settings.console }),
    });
    guest.once('init', () => settings.onStep?.('devices'));
    guest.once('provisioned', () => {
      settings.onStep?.('command');
      try {
        backings.forEach((backing) => { backing?.keep(); });
        feed(settings, guest);
      } catch (error) {
        guest.kill(error);
      }
    });
    return guest;
  };
  const limits = new Limits({ ...settings, patient: settings.gdb !== undefined });
  resources.add(() => { limits.clear(); });
  const guest = await withFallback(settings, limits, start);
  const status = guest.status.finally(() => { resources.release(); });
  // Whoever started the guest may look at its status later.
  status.catch(() => undefined);
  return new Vm(guest, status, settings.nvdimms, settings.nvdimms.map((nvdimm, index) => pathOf(nvdimm, backings[index])));
}

/** The path of the file behind a device whose command runs: only then has a file that was made its name. */
function pathOf({ file }: Nvdimm, backing: Backing | undefined): string | undefined {
  return backing !== undefined && 'fd' in backing.source ? `/proc/self/fd/${backing.source.fd}` : file;
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

/** A guest that is ready, under the given acceleration. `auto` falls back from KVM if the guest does not reach its init. */
async function withFallback(settings: Settings, limits: Limits, start: (accel: Acceleration) => Guest): Promise<Guest> {
  const { accel, gdb, onNotice } = settings;
  const obstacle = accel === 'auto' ? kvmObstacle() : undefined;
  if (obstacle !== undefined) onNotice?.(`${obstacle}: the guest is emulated, which is slower`);
  const guest = start(accel === 'auto' ? (obstacle === undefined ? 'kvm' : 'tcg') : accel);
  let alive = false as boolean;
  guest.once('init', () => { alive = true; });
  const isTried = accel === 'auto' && obstacle === undefined;
  const deadline = isTried && gdb === undefined
    ? setTimeout(() => { if (!alive) guest.fail(`no sign of life in ${KVM_DEADLINE / 1000} s`); }, KVM_DEADLINE)
    : undefined;
  try {
    await limits.ready(guest);
    if (accel === 'kvm') forgetKvmFailure();
    return guest;
  } catch (error) {
    if (!isTried || alive || limits.reached || !(error instanceof VmError)) throw error;
    rememberKvmFailure();
    onNotice?.(`KVM does not run the guest (${error.message.split('\n')[0] ?? ''}): going on with emulation, which is slower`);
  } finally {
    clearTimeout(deadline);
  }
  const emulated = start('tcg');
  await limits.ready(emulated);
  return emulated;
}
