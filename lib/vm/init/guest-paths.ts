// Owns the paths in the guest that its init, its plan and its command share.

import { PORTS, type PortName } from '../streams/carriers.js';

/** The folder of the guest's own files: on a tmpfs over the host's `/run`. */
export const HOME = '/run/node-dax';

/** A folder for the guest's PATH with `node-dax` in it. */
export const SHIM_FOLDER = `${HOME}/bin`;

/** The path of a port in the guest. The terminal is a console, hence a tty. */
export function portPath(port: PortName): string {
  return port === 'terminal' ? '/dev/hvc0' : `/dev/vport0p${PORTS[port]}`;
}

/** The file that appears once a port can be opened. Its node in /dev appears a moment earlier. */
export function portReady(port: PortName): string {
  return `/sys/class/virtio-ports/vport0p${PORTS[port]}/name`;
}
