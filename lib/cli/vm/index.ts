// Owns the command `node-dax vm`: it passes options to a guest, ends it on signals, and turns the outcome into an exit status.

import { constants } from 'node:os';
import { Command, Option } from 'commander';
import { EXIT_GUEST, EXIT_TIMEOUT, NVDIMM_KINDS, VmError, cutPower, qemuCommand, runVm, type Nvdimm, type PowerCut, type VmOptions } from '../../vm/index.js';
import { fetchKernel, fetchedKernels } from '../../vm/kernel/fetch.js';
import { shellQuote } from '../../vm/shell-quote.js';
import { parseSize } from '../../vm/size.js';
import { checked } from '../arguments.js';
import { print } from '../output.js';
import { checkMakeable } from '../permission.js';
import { addDevice, addFolder, addInstants, addNvdimm, addQemuArgument, addVariable, parseParameters, parsePort, parseSeconds, parseWhole } from './values.js';
import { Waiting } from './waiting.js';

/** The options that go to the guest as they are. */
type Passed = Pick<VmOptions, 'memory' | 'cpus' | 'share' | 'persistence' | 'accel' | 'timeout' | 'kernel' | 'append' | 'network' | 'rw' | 'gdb' | 'env'>;

interface Flags extends Passed {
  nvdimm?: Nvdimm[];
  device?: Nvdimm[];
  qemuArg?: string[];
  verbose?: true;
  dryRun?: true;
  fetchKernel?: true;
  powerCut?: number[];
  check?: string;
}

/** The command, to be added to the program. */
export function vmCommand(): Command {
  return new Command('vm')
    .description('Run a command in a QEMU guest with emulated persistent memory')
    .usage('[options] [-- COMMAND [ARGS...]]')
    .argument('[command...]', 'the command and its arguments (default: a shell)')
    .option('--memory <size>', 'ordinary memory (default: 2G)', checked(parseSize))
    .option('--cpus <number>', 'processors (default: 2)', parseWhole)
    .option('--nvdimm <size:kind[=label][:file]>', `an NVDIMM instead of the default set, in region order; kinds: ${Object.keys(NVDIMM_KINDS).join(', ')}; a label names it in the guest; a file keeps the content between runs; 'none' for no NVDIMM (repeatable)`, addNvdimm)
    .option('--device <kind[=label]>', "as --nvdimm, but KIND needs no size (256M): for memory other than ordinary NVDIMMs, such as hmem, e820, cxl-pmem, unarmed, nfit-volatile, virtio-devdax (repeatable)", addDevice)
    .option('--share', 'let other guests that have this option use the same NVDIMM files at the same time')
    .addOption(new Option('--persistence <domain>', 'persistence domain of the NVDIMMs (default: mem-ctrl)').choices(['mem-ctrl', 'cpu']))
    .addOption(new Option('--accel <kind>', 'acceleration; auto tries KVM, then emulates (default: auto)').choices(['auto', 'kvm', 'tcg']))
    .option('--timeout <seconds>', 'end the guest after so many seconds, boot included', parseSeconds)
    .option('--kernel <kernel>', 'an image, a version such as 6.1.0-50-amd64, or a folder with boot/vmlinuz-* and lib/modules/*')
    .option('--fetch-kernel', "fetch the distribution's kernel for guests (apt, dnf); nothing is installed")
    .option('--append <text>', 'parameters for the kernel', parseParameters)
    .option('--network', "give the guest the network of this machine, by QEMU's user mode")
    .option('--rw <dir>', 'a folder that the guest may write to; its other writes are lost when it ends (repeatable)', addFolder)
    .option('--env <name[=value]>', 'an environment variable to pass or to set (repeatable)', addVariable)
    .option('--power-cut <seconds>', 'cut the power so many seconds after the start of the command, and --check what remains; separate several instants by commas (repeatable)', addInstants)
    .option('--check <command>', 'the shell command that checks each power cut, in a guest with the NVDIMMs that remain')
    .option('--verbose', "show the guest's console and each step")
    .option('--dry-run', 'print the QEMU command, and start nothing')
    .option('--qemu-arg <arg>', 'an argument for QEMU (repeatable)', addQemuArgument)
    .addOption(new Option('--gdb [port]', 'serve gdb at a port of 127.0.0.1 (default: 1234)').preset('1234').argParser(parsePort))
    .addHelpText('after', `
Exit status: that of COMMAND, or ${EXIT_TIMEOUT} after a timeout, ${EXIT_GUEST} when the guest failed, 2 for wrong usage.
With --power-cut: 0, or that of the first check that failed.
The NODE_DAX_TEST_* variables name the devices in the guest: see docs/guest.md.`)
    .showHelpAfterError('(--help shows the usage)')
    .exitOverride()
    .action(act);
}

async function act(words: string[], flags: Flags, command: Command): Promise<void> {
  for (const { file } of [...(flags.nvdimm ?? []), ...(flags.device ?? [])]) if (file !== undefined) checkMakeable(file);
  const waiting = new Waiting(flags.verbose === true);
  const ending = new AbortController();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const end = (signal: NodeJS.Signals): void => { ending.abort(signal); };
  signals.forEach((signal) => process.on(signal, end));
  try {
    process.exitCode = await outcome(words, flags, waiting, ending.signal);
  } catch (error) {
    waiting.end();
    if (ending.signal.aborted && error === ending.signal.reason) {
      process.exitCode = 128 + constants.signals[ending.signal.reason as NodeJS.Signals];
    } else if (error instanceof VmError) {
      waiting.say(error.message);
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

/** Does what the flags ask for, and resolves to the exit status. */
async function outcome(words: readonly string[], flags: Flags, waiting: Waiting, signal: AbortSignal): Promise<number> {
  const { nvdimm, device = [], qemuArg = [], verbose, dryRun, fetchKernel: isFetch, powerCut, check, ...others } = flags;
  if ((powerCut === undefined) !== (check === undefined)) throw new RangeError('--power-cut and --check belong together: when, and what judges what is left');
  if (isFetch === true) {
    await fetchKernel();
    await print([[fetchedKernels()]]);
    return 0;
  }
  const options: VmOptions = {
    ...others,
    ...(nvdimm === undefined && device.length === 0 ? {} : { nvdimms: [...(nvdimm ?? []), ...device] }),
    qemuArguments: qemuArg,
    command: words.length === 0 ? [process.env['SHELL'] ?? '/bin/sh'] : words,
    stdin: process.stdin,
    terminal: process.stdin.isTTY && (process.stdout.isTTY || process.stderr.isTTY),
    ...(verbose === true ? { console: process.stderr } : {}),
    signal,
    onNotice: (message) => { waiting.say(message); },
    onStep: (step) => { waiting.step(step); },
  };
  if (dryRun === true) {
    await print([[qemuCommand(options).map(quoted).join(' ')]]);
    return 0;
  }
  if (powerCut === undefined || check === undefined) return await runVm(options);
  const say = ({ at, status, nvdimms }: PowerCut): void => {
    const files = nvdimms.flatMap(({ file }) => file ?? []).join(', ');
    waiting.say(`power cut at ${at} s: the check ${status === 0 ? 'is fine' : `failed with status ${status}; what is left: ${files}`}`);
  };
  const cuts = await cutPower(options, { at: powerCut, check: ['/bin/sh', '-c', check], onCut: say });
  return cuts.find(({ status }) => status !== 0)?.status ?? 0;
}

/** The word as a shell reads it, with quotes only where it needs them. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : shellQuote(word);
}
