// Owns power cuts: the images of a guest's NVDIMMs at given instants, and the judgement of a command on each.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkOptions } from 'node-dax';
import { VmError } from './error.js';
import type { Nvdimm } from './memory/nvdimm.js';
import type { VmOptions } from './options.js';
import { runVm, startVm } from './run.js';

export interface PowerCutOptions {
  /** When power is cut, in seconds after the start of the command. */
  readonly at: readonly number[];
  /** The command that judges an image: exit status 0 if it is as it should be. It runs in a guest of its own, with the image. */
  readonly check: readonly string[];
  /** Called after each check. */
  readonly onCut?: (cut: PowerCut) => void;
}

/** One power cut, and what the check said of it. */
export interface PowerCut {
  readonly at: number;
  /** The exit status of the check. */
  readonly status: number;
  /** The NVDIMMs with their images, which are kept only where the check failed. */
  readonly nvdimms: readonly Nvdimm[];
}

/** Throws `RangeError` for an instant that is none. */
export function checkInstant(seconds: number): void {
  if (!(seconds >= 0 && seconds <= 2 ** 31 / 1000)) throw new RangeError('a power cut is a number of seconds after the start of the command');
}

/**
 * Starts a guest with a command, and takes an image of its NVDIMMs at each instant. The guest ends after the last image, and each
 * image is checked. If the command ends earlier, the images so far are checked, and `onNotice` says so. Rejects as `runVm` does,
 * and with `VmError` if the command ended before the first instant.
 */
export async function cutPower(options: VmOptions, cuts: PowerCutOptions): Promise<PowerCut[]> {
  checkOptions(cuts, { at: true, check: true, onCut: true }, 'power cuts');
  if (cuts.at.length === 0) throw new RangeError('there is no instant at which to cut the power');
  cuts.at.forEach(checkInstant);
  const folder = mkdtempSync(join(tmpdir(), 'node-dax-power-cut-'));
  let isKept = false;
  try {
    const images = await takeImages(options, cuts.at, folder);
    const done: PowerCut[] = [];
    for (const { at, nvdimms } of images) {
      const status = await runVm({ ...checkingOptions(options), command: cuts.check, nvdimms });
      const cut = { at, status, nvdimms };
      isKept ||= status !== 0;
      if (status === 0) rmSync(folderOf(folder, at), { recursive: true });
      cuts.onCut?.(cut);
      done.push(cut);
    }
    return done;
  } finally {
    if (!isKept) rmSync(folder, { recursive: true, force: true });
  }
}

/** The options of a guest that checks: nobody types into it. */
function checkingOptions(options: VmOptions): VmOptions {
  const checking: { -readonly [Name in keyof VmOptions]: VmOptions[Name] } = { ...options };
  delete checking.stdin;
  delete checking.terminal;
  return checking;
}

function folderOf(folder: string, at: number): string {
  return join(folder, `${at}s`);
}

async function takeImages(options: VmOptions, instants: readonly number[], folder: string): Promise<{ at: number; nvdimms: Nvdimm[] }[]> {
  const vm = await startVm(options);
  const start = performance.now();
  const ended = vm.status.then((status) => `with status ${status}`);
  const images: { at: number; nvdimms: Nvdimm[] }[] = [];
  try {
    for (const at of [...new Set(instants)].sort((a, b) => a - b)) {
      const how = await earlier(start + at * 1000, ended);
      if (how !== undefined) {
        const message = `the command ended ${how}, before the power cut at ${at} s`;
        if (images.length === 0) throw new VmError(message);
        options.onNotice?.(message);
        break;
      }
      images.push({ at, nvdimms: await vm.crash(folderOf(folder, at)) });
    }
  } finally {
    await vm.end();
  }
  return images;
}

/** How the command ended, if it did before `time`; else `undefined`, at that time. */
async function earlier(time: number, ended: Promise<string>): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const instant = new Promise<undefined>((resolve) => { timer = setTimeout(() => { resolve(undefined); }, Math.max(0, time - performance.now())); });
  try {
    return await Promise.race([instant, ended]);
  } finally {
    clearTimeout(timer);
  }
}
