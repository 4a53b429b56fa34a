// Owns the command `node-dax vm`: it passes options to `runVm`, ends the guest on signals, and turns the outcome into an exit
// status.

import { constants } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EXIT_GUEST, EXIT_TIMEOUT, NVDIMM_KINDS, VmError, parseDevice, parseNvdimm, runVm, type Nvdimm, type VmOptions } from '../vm/index.js';
import { parseSize } from '../vm/size.js';
import { checked } from './arguments.js';

interface Flags {
  memory?: number;
  cpus?: number;
  nvdimm?: Nvdimm[];
  device?: Nvdimm[];
  persistence?: 'mem-ctrl' | 'cpu';
  accel?: 'auto' | 'kvm' | 'tcg';
  timeout?: number;
  kernel?: string;
  keep?: string[];
  env?: Record<string, string>;
}

/** The command, to be added to the program. */
export function vmCommand(): Command {
  return new Command('vm')
    .description('Run a command in a QEMU guest with emulated persistent memory')
    .usage('[options] [-- COMMAND [ARGS...]]')
    .argument('[command...]', 'the command and its arguments; a shell without one')
    .option('--memory <size>', 'ordinary memory (default: 2G)', checked(parseSize))
    .option('--cpus <number>', 'processors (default: 2)', checked(parseInteger))
    .option('--nvdimm <size:kind[:file]>', `an NVDIMM instead of the default set, in region order; kinds: ${Object.keys(NVDIMM_KINDS).join(', ')}; a file keeps the content between runs; 'none' for no NVDIMM (repeatable)`, addNvdimm)
    .option('--device <kind>', "as --nvdimm, where KIND alone is 256M of it: memory that is no NVDIMM in order, such as hmem, e820, cxl-pmem, unarmed, nfit-volatile, virtio-devdax (repeatable)", addDevice)
    .addOption(new Option('--persistence <domain>', 'persistence domain of the NVDIMMs (default: mem-ctrl)').choices(['mem-ctrl', 'cpu']))
    .addOption(new Option('--accel <kind>', 'acceleration; auto tries KVM, then emulates (default: auto)').choices(['auto', 'kvm', 'tcg']))
    .option('--timeout <seconds>', 'end the guest after so many seconds, boot included', checked(parseSeconds))
    .option('--kernel <dir>', 'take the kernel from here: boot/vmlinuz-* and lib/modules/*')
    .option('--keep <dir>', 'a folder whose changes are kept; all else that is written goes with the guest (repeatable)', append)
    .option('--env <name[=value]>', 'an environment variable to pass or to set (repeatable)', addVariable)
    .addHelpText('after', `
Exit status: that of COMMAND, or ${EXIT_TIMEOUT} after a timeout, ${EXIT_GUEST} when the guest failed, 2 for wrong usage.
The NODE_DAX_TEST_* variables name the devices in the guest: see docs/guest.md.`)
    .showHelpAfterError('(--help shows the usage)')
    .exitOverride()
    .action(act);
}

async function act(words: string[], flags: Flags, command: Command): Promise<void> {
  const { nvdimm, device = [], ...others } = flags;
  const ending = new AbortController();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const end = (signal: NodeJS.Signals): void => { ending.abort(signal); };
  signals.forEach((signal) => process.on(signal, end));
  const options: VmOptions = {
    ...others,
    ...(nvdimm === undefined && device.length === 0 ? {} : { nvdimms: [...(nvdimm ?? []), ...device] }),
    command: words.length === 0 ? [process.env['SHELL'] ?? '/bin/sh'] : words,
    stdin: process.stdin,
    terminal: process.stdin.isTTY && (process.stdout.isTTY || process.stderr.isTTY),
    signal: ending.signal,
    onNotice: (message) => { console.error(`node-dax vm: ${message}`); },
  };
  try {
    process.exitCode = await runVm(options);
  } catch (error) {
    if (ending.signal.aborted && error === ending.signal.reason) {
      process.exitCode = 128 + constants.signals[ending.signal.reason as NodeJS.Signals];
    } else if (error instanceof VmError) {
      console.error(`node-dax vm: ${error.message}`);
      process.exitCode = error.exitStatus;
    } else if (error instanceof RangeError) {
      command.error(`error: ${error.message}`, { exitCode: 2 });
    } else {
      throw error;
    }
  } finally {
    signals.forEach((signal) => process.off(signal, end));
  }
}

function parseInteger(text: string): number {
  if (!/^[0-9]+$/.test(text)) throw new RangeError(`'${text}' is not a whole number`);
  return Number(text);
}

function parseSeconds(text: string): number {
  if (!/^[0-9]+(?:\.[0-9]+)?$/.test(text)) throw new RangeError(`'${text}' is not a number of seconds`);
  return Number(text);
}

function addNvdimm(text: string, earlier: Nvdimm[] = []): Nvdimm[] {
  return text === 'none' ? earlier : [...earlier, checked(parseNvdimm)(text)];
}

function addDevice(text: string, earlier: Nvdimm[] = []): Nvdimm[] {
  return [...earlier, checked(parseDevice)(text)];
}

function append(text: string, earlier: string[] = []): string[] {
  return [...earlier, text];
}

function addVariable(text: string, earlier: Record<string, string> = {}): Record<string, string> {
  const equals = text.indexOf('=');
  const name = equals === -1 ? text : text.slice(0, equals);
  if (name === '') throw new InvalidArgumentError(`'${text}' has no name before the '='`);
  const value = equals === -1 ? process.env[name] : text.slice(equals + 1);
  return value === undefined ? earlier : { ...earlier, [name]: value };
}
