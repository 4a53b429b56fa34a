// Owns the comparison of the facade with node:fs: the same call on a folder of tmpfs and on ext2, and what each says.

import * as nodeFs from 'node:fs';
import type { Test } from 'tap';
import { check, mkfsSync, mount, type Ext2 } from 'node-dax/ext2';
import { createFs, type Fs } from 'node-dax/fs';
import { RecordingDevice } from 'node-dax/testkit';

/** A path in calls: what it is on each side comes later. */
export class At {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }
}

export const at = (path: string): At => new At(path);

type Function = (...args: unknown[]) => unknown;
type Table = Readonly<Record<string, Function>>;

export interface Sides {
  readonly node: string;
  readonly mounted: Ext2;
  readonly ours: Fs;
}

/** A new folder in tmpfs, and a new ext2 in memory; both are gone at the end of the test. */
export function openSides(test: Test, size = 32 * 1024 * 1024): Sides {
  const node = nodeFs.mkdtempSync('/dev/shm/node-dax-fs-');
  const device = new RecordingDevice(size);
  mkfsSync(device, { blockSize: 1024 });
  const mounted = mount(device, { owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 } });
  mounted.rmdir(mounted.root, 'lost+found');
  nodeFs.chmodSync(node, 0o755);
  const ours = createFs(mounted, { umask: 0o022 });
  process.umask(0o022);
  test.teardown(() => {
    nodeFs.rmSync(node, { recursive: true, force: true });
  });
  return { node, mounted, ours };
}

/** Unmounts ours, and checks it. */
export function checkMedium(test: Test, { mounted }: Sides): void {
  mounted.unmount();
  test.equal(check(mounted.device).isClean, true, 'and the medium is clean');
}

interface ErrorLike {
  readonly code?: string;
  readonly errno?: number;
  readonly syscall?: string;
  readonly path?: unknown;
  readonly dest?: unknown;
  readonly message: string;
}

/** What a call said: its result or its error, in words that do not depend on the side. */
export type Said = { readonly result: unknown } | { readonly error: Record<string, unknown> };

function plain(value: unknown, root: string): unknown {
  if (typeof value === 'string') return value.replaceAll(root, '') || '/';
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) {
    const items = value.map((item) => plain(item, root));
    return items.every((item) => typeof item === 'string') ? items.sort() : sorted(items);
  }
  if (typeof value !== 'object' || value === null) return value;
  const file = value as nodeFs.Stats & nodeFs.Dirent;
  if (typeof file.isFile !== 'function') return value;
  const type = ['isFile', 'isDirectory', 'isSymbolicLink', 'isFIFO'].filter((name) => (file as unknown as Table)[name]?.call(file));
  if (typeof (file.name as unknown) === 'string') return { name: file.name, parent: plain(file.parentPath, root), type };
  // What a directory takes is each filesystem's own.
  return { type, mode: file.mode, nlink: file.nlink, uid: file.uid, gid: file.gid, size: file.isDirectory() ? 0 : file.size };
}

function sorted(items: unknown[]): unknown[] {
  return [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

function said(error: ErrorLike, root: string): Said {
  const { code, errno, syscall, path, dest, message } = error;
  const described = { code, errno, syscall, path: plain(path, root), dest: plain(dest, root), message: message.replaceAll(root, '') };
  return { error: described };
}

function onSide(args: readonly unknown[], root: string): unknown[] {
  return args.map((arg) => (arg instanceof At ? root + arg.path : arg));
}

/** Calls a synchronous function of both sides. */
export function callBoth({ node, ours }: Sides, name: string, args: readonly unknown[]): { theirs: Said; ours: Said } {
  const call = (table: Table, root: string): Said => {
    try {
      return { result: plain((table[name] as Function)(...onSide(args, root)), root || '\0') };
    } catch (error) {
      return said(error as ErrorLike, root || '\0');
    }
  };
  return { theirs: call(nodeFs as unknown as Table, node), ours: call(ours as unknown as Table, '') };
}

/** Calls a promise form of both sides. */
export async function awaitBoth({ node, ours }: Sides, name: string, args: readonly unknown[]): Promise<{ theirs: Said; ours: Said }> {
  const call = async (table: Table, root: string): Promise<Said> => {
    try {
      return { result: plain(await (table[name] as Function)(...onSide(args, root)), root || '\0') };
    } catch (error) {
      return said(error as ErrorLike, root || '\0');
    }
  };
  return {
    theirs: await call(nodeFs.promises as unknown as Table, node),
    ours: await call(ours.promises as unknown as Table, ''),
  };
}
