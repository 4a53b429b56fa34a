// Owns the options of a guest, their defaults, and the checks that do not depend on this machine.

import { existsSync, statSync } from 'node:fs';
import type { Readable, Writable } from 'node:stream';
import { checkOptions, type OptionNames } from 'node-dax';
import { checkKernelName } from './kernel/find.js';
import { DEFAULT_NVDIMMS, checkNvdimm, kindOf, type Nvdimm } from './memory/nvdimm.js';
import type { Acceleration, PersistenceDomain } from './qemu/arguments.js';
import { GIB, MIB, formatSize } from './size.js';
import { isKeyboard, isTerminal } from './streams/carriers.js';

export interface VmOptions {
  /** The program, as a path or a name in the guest's PATH, and its arguments. */
  readonly command: readonly string[];
  /** Bytes of ordinary memory: a multiple of 1 MiB, at least 512 MiB. 2 GiB by default. */
  readonly memory?: number;
  /** Processors, 1 to 64. 2 by default. */
  readonly cpus?: number;
  /** The persistent memory, in region order. `DEFAULT_NVDIMMS` by default. */
  readonly nvdimms?: readonly Nvdimm[];
  /**
   * Whether other guests with this option may have the same NVDIMM files at the same time: one memory under several kernels, as
   * hosts share it over CXL. Files with a filesystem of the kernel cannot be shared. False by default.
   */
  readonly share?: boolean;
  /** The persistence domain of the NVDIMMs: memory controller (ADR) or processor caches (eADR). `'mem-ctrl'` by default. */
  readonly persistence?: PersistenceDomain;
  /** `'auto'`, the default, tries KVM and goes on with emulation (TCG) when the guest does not come up. */
  readonly accel?: Acceleration | 'auto';
  /** Seconds that the whole run may take, boot included. No limit by default. */
  readonly timeout?: number;
  /**
   * The kernel: an image, whose modules are beside it or where kernels are looked for; a version, such as `6.1.0-50-amd64`, of
   * those that are found; or a folder with `boot/vmlinuz-*` and `lib/modules/*`, or one in which a kernel was built. Only that
   * folder is searched.
   */
  readonly kernel?: string;
  /** Parameters for the kernel, after those that the guest needs. */
  readonly append?: string;
  /** Whether the guest reaches the network of the host by QEMU's user mode, 10.0.2.0/24. False by default. */
  readonly network?: boolean;
  /** Folders of the host that the guest may write to. Everything else that it writes is lost when it ends. */
  readonly rw?: readonly string[];
  /** The TCP port of 127.0.0.1 at which QEMU serves gdb. The guest does not wait for it, and has all the time that it takes. */
  readonly gdb?: number;
  /** Arguments for QEMU, after those that the guest needs. */
  readonly qemuArguments?: readonly string[];
  /** Environment variables in addition to those that are passed by default (`guestEnvironment`). */
  readonly env?: Readonly<Record<string, string>>;
  /** The working directory of the command. The caller's by default. */
  readonly cwd?: string;
  /** The standard input of the command, read to its end. Nothing by default. */
  readonly stdin?: Readable;
  /**
   * Whether the command gets the caller's terminal: `stdin` must be a terminal, and so must `stdout` or `stderr`; an output that is
   * not a terminal gets its bytes as without this option. The terminal is raw while the command runs: Ctrl-C reaches the command,
   * and Ctrl-] typed three times within a second ends the guest. False by default.
   */
  readonly terminal?: boolean;
  /** The destination of the output. The process's own streams by default. They are not ended. */
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  /** The destination of what the guest's kernel says on its console, which is much more with this option. Nothing is shown by default. */
  readonly console?: Writable;
  /** Ends the guest at once; the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Called with a sentence about something that the caller should know but that is not a failure, for example that KVM does not
   * work.
   */
  readonly onNotice?: (message: string) => void;
  /** Called when a step begins that takes time. */
  readonly onStep?: (step: VmStep) => void;
}

/**
 * What a run does, in this order: it finds the kernel and reads its modules, makes the initramfs, boots, makes the devices ready,
 * and runs the command. If KVM does not work, booting begins again.
 */
export type VmStep = 'kernel' | 'initramfs' | 'boot under KVM' | 'boot, emulated' | 'devices' | 'command';

const OPTIONS: OptionNames<VmOptions> = {
  command: true,
  memory: true,
  cpus: true,
  nvdimms: true,
  share: true,
  persistence: true,
  accel: true,
  timeout: true,
  kernel: true,
  append: true,
  network: true,
  rw: true,
  gdb: true,
  qemuArguments: true,
  env: true,
  cwd: true,
  stdin: true,
  terminal: true,
  stdout: true,
  stderr: true,
  console: true,
  signal: true,
  onNotice: true,
  onStep: true,
};

/** Options with the defaults filled in. */
export type Settings = VmOptions & Required<Pick<VmOptions, 'memory' | 'cpus' | 'nvdimms' | 'share' | 'persistence' | 'accel' | 'network' | 'rw' | 'qemuArguments' | 'cwd' | 'terminal' | 'stdout' | 'stderr'>>;

const MINIMUM_MEMORY = 512 * MIB;

/** Fills in the defaults. Throws `TypeError` for unknown options, `RangeError` for values from which no machine could be made. */
export function settingsOf(options: VmOptions): Settings {
  checkOptions(options, OPTIONS);
  const settings: Settings = {
    memory: 2 * GIB,
    cpus: 2,
    nvdimms: DEFAULT_NVDIMMS,
    share: false,
    persistence: 'mem-ctrl',
    accel: 'auto',
    network: false,
    rw: [],
    qemuArguments: [],
    cwd: process.cwd(),
    terminal: false,
    stdout: process.stdout,
    stderr: process.stderr,
    ...options,
  };
  const { command, memory, cpus, nvdimms, timeout } = settings;
  if (command.length === 0 || command[0] === '') throw new RangeError('the command is empty');
  if (command.some((word) => word.includes('\0'))) throw new RangeError('the command has a NUL character');
  if (!Number.isSafeInteger(memory) || memory % MIB !== 0 || memory < MINIMUM_MEMORY) {
    throw new RangeError(`the memory must be a multiple of 1M, at least ${formatSize(MINIMUM_MEMORY)}`);
  }
  if (!Number.isInteger(cpus) || cpus < 1 || cpus > 64) throw new RangeError('the number of processors must be from 1 to 64');
  if (timeout !== undefined && !(timeout > 0 && timeout <= 2 ** 31 / 1000)) {
    throw new RangeError('the timeout must be a number of seconds above 0');
  }
  checkMachine(settings);
  if (settings.terminal && !(isKeyboard(settings.stdin) && [settings.stdout, settings.stderr].some(isTerminal))) {
    throw new RangeError('terminal: the standard input, and the standard output or error, must be a terminal');
  }
  nvdimms.forEach(checkNvdimm);
  checkFiles(nvdimms);
  if (settings.share) checkShareable(nvdimms);
  checkLabels(nvdimms);
  checkTables(nvdimms);
  return settings;
}

function checkMachine({ kernel, append, gdb, qemuArguments, rw }: Settings): void {
  if (kernel !== undefined) checkKernelName(kernel);
  if (append !== undefined) checkParameters(append);
  if (gdb !== undefined) checkPort(gdb);
  qemuArguments.forEach(checkQemuArgument);
  rw.forEach(checkFolder);
}

/** Throws `RangeError` for text that cannot be on the kernel's command line. */
export function checkParameters(text: string): void {
  if (text === '' || /\p{Cc}/u.test(text)) throw new RangeError('the parameters of the kernel must be one line of text');
  if (/(?:^|\s)--(?:\s|$)/.test(text)) throw new RangeError("the parameters of the kernel end at '--', and what comes after it would be the init's");
}

/** Throws `RangeError` for a number that is no TCP port. */
export function checkPort(port: number): void {
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new RangeError('the port of gdb must be a number from 1 to 65535');
}

/** Throws `RangeError` for text that cannot be an argument of QEMU. */
export function checkQemuArgument(text: string): void {
  if (text === '' || text.includes('\0')) throw new RangeError('an argument of QEMU must not be empty, nor have a NUL character');
}

/** Throws `RangeError` if the host has no such folder. */
export function checkFolder(folder: string): void {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw new RangeError(`there is no folder '${folder}' that the guest could write to`);
}

function checkFiles(nvdimms: readonly Nvdimm[]): void {
  const files = nvdimms.flatMap(({ file }) => (file === undefined ? [] : [file]));
  const twice = files.find((file, index) => files.indexOf(file) !== index);
  if (twice !== undefined) throw new RangeError(`'${twice}' cannot be behind two NVDIMMs`);
}

function checkShareable(nvdimms: readonly Nvdimm[]): void {
  const mounted = nvdimms.find((nvdimm) => nvdimm.file !== undefined && kindOf(nvdimm).filesystem !== undefined);
  if (mounted !== undefined) throw new RangeError(`'${mounted.file ?? ''}' cannot be shared: two kernels would destroy its ${kindOf(mounted).filesystem ?? ''}`);
}

function checkLabels(nvdimms: readonly Nvdimm[]): void {
  const labels = nvdimms.flatMap(({ label }) => label ?? []);
  const twice = labels.find((label, index) => labels.indexOf(label) !== index);
  if (twice !== undefined) throw new RangeError(`'${twice}' cannot be the name of two NVDIMMs`);
}

// A machine has one NFIT: QEMU's, which has only NVDIMMs, or one with volatile ranges.
function checkTables(nvdimms: readonly Nvdimm[]): void {
  const sources = nvdimms.map((nvdimm) => kindOf(nvdimm).source);
  if (sources.includes('nfit-volatile') && (sources.includes('nvdimm') || sources.includes('unarmed'))) {
    throw new RangeError('a volatile range of the NFIT cannot be beside NVDIMMs: run a guest for each');
  }
}
