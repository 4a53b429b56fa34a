// Owns the options of a guest, their defaults, and the checks that do not depend on this machine.

import type { Readable, Writable } from 'node:stream';
import { checkOptions, type OptionNames } from 'node-dax';
import { DEFAULT_NVDIMMS, checkNvdimm, kindOf, type Nvdimm } from './nvdimm.js';
import type { Acceleration, PersistenceDomain } from './qemu.js';
import { GIB, MIB, formatSize } from './size.js';
import { isKeyboard, isTerminal } from './streams.js';

export interface VmOptions {
  /** The program, as a path or a name in the guest's PATH, and its arguments. */
  readonly command: readonly string[];
  /** Bytes of ordinary memory: a multiple of 1 MiB, at least 512 MiB. 2 GiB by default. */
  readonly memory?: number;
  /** Processors, 1 to 64. 2 by default. */
  readonly cpus?: number;
  /** The persistent memory, in region order. `DEFAULT_NVDIMMS` by default. */
  readonly nvdimms?: readonly Nvdimm[];
  /** The persistence domain of the NVDIMMs: memory controller (ADR) or processor caches (eADR). `'mem-ctrl'` by default. */
  readonly persistence?: PersistenceDomain;
  /** `'auto'`, the default, tries KVM and goes on with emulation (TCG) when the guest does not come up. */
  readonly accel?: Acceleration | 'auto';
  /** Seconds that the whole run may take, boot included. No limit by default. */
  readonly timeout?: number;
  /** A folder with `boot/vmlinuz-*` and `lib/modules/*`. The kernel is searched for only there. */
  readonly kernel?: string;
  /** Folders of the host that the guest writes to. Everything else that it writes is lost when it ends. */
  readonly keep?: readonly string[];
  /** Environment variables in addition to those that are passed by default (`guestEnvironment`). */
  readonly env?: Readonly<Record<string, string>>;
  /** The working directory of the command. The caller's by default. */
  readonly cwd?: string;
  /** The standard input of the command, read to its end. Nothing by default. */
  readonly stdin?: Readable;
  /**
   * Whether the command gets the caller's terminal: `stdin` must be a terminal, and so must `stdout` or `stderr`; the output that
   * is not one gets its bytes as without this option. The terminal is raw while the command runs: Ctrl-C reaches the command, and
   * Ctrl-] typed three times within a second ends the guest. False by default.
   */
  readonly terminal?: boolean;
  /** The destination of the output. The process's own streams by default. They are not ended. */
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  /** Ends the guest at once; the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /**
   * Called with a sentence about something that is not a failure but that the caller should know, such as that KVM was given up.
   */
  readonly onNotice?: (message: string) => void;
}

const OPTIONS: OptionNames<VmOptions> = {
  command: true,
  memory: true,
  cpus: true,
  nvdimms: true,
  persistence: true,
  accel: true,
  timeout: true,
  kernel: true,
  keep: true,
  env: true,
  cwd: true,
  stdin: true,
  terminal: true,
  stdout: true,
  stderr: true,
  signal: true,
  onNotice: true,
};

/** Options with the defaults filled in. */
export type Settings = VmOptions & Required<Pick<VmOptions, 'memory' | 'cpus' | 'nvdimms' | 'persistence' | 'accel' | 'keep' | 'cwd' | 'terminal' | 'stdout' | 'stderr'>>;

const MINIMUM_MEMORY = 512 * MIB;

/** Fills in the defaults. Throws `TypeError` for unknown options, `RangeError` for values from which no machine could be made. */
export function settingsOf(options: VmOptions): Settings {
  checkOptions(options, OPTIONS);
  const settings: Settings = {
    memory: 2 * GIB,
    cpus: 2,
    nvdimms: DEFAULT_NVDIMMS,
    persistence: 'mem-ctrl',
    accel: 'auto',
    keep: [],
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
  if (settings.terminal && !(isKeyboard(settings.stdin) && [settings.stdout, settings.stderr].some(isTerminal))) {
    throw new RangeError('terminal: the standard input, and the standard output or error, must be a terminal');
  }
  nvdimms.forEach(checkNvdimm);
  checkFiles(nvdimms);
  checkTables(nvdimms);
  return settings;
}

function checkFiles(nvdimms: readonly Nvdimm[]): void {
  const files = nvdimms.flatMap(({ file }) => (file === undefined ? [] : [file]));
  const twice = files.find((file, index) => files.indexOf(file) !== index);
  if (twice !== undefined) throw new RangeError(`'${twice}' cannot be behind two NVDIMMs`);
}

// A machine has one NFIT: QEMU's, which has only NVDIMMs, or one with volatile ranges.
function checkTables(nvdimms: readonly Nvdimm[]): void {
  const sources = nvdimms.map((nvdimm) => kindOf(nvdimm).source);
  if (sources.includes('nfit-volatile') && (sources.includes('nvdimm') || sources.includes('unarmed'))) {
    throw new RangeError('a volatile range of the NFIT cannot be beside NVDIMMs: run a guest for each');
  }
}
