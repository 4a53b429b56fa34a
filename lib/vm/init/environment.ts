// Owns the choice of the caller's environment variables that the command in the guest sees.

const NAMES = new Set([
  'PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TERM', 'COLORTERM', 'TZ', 'CI', 'DEBUG',
  'FORCE_COLOR', 'NO_COLOR', 'INIT_CWD',
]);
const PREFIXES = ['NODE_', 'npm_', 'LC_'];

// Variables that name channels to processes outside the guest, or devices that are not the guest's.
const NEVER = /^(?:NODE_CHANNEL_|NODE_UNIQUE_ID$|NODE_DAX_TEST_|NODE_DAX_VM_)/;

/** The part of `environment` that makes sense in the guest. */
export function guestEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined || NEVER.test(name)) continue;
    if (NAMES.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix))) passed[name] = value;
  }
  return passed;
}
