// Owns the report of the kit, and its form as text.

/** The result of checking one rule. */
export interface Check {
  /** The rule's id in docs/rules.md, such as `TR-8`, or `fsx` for the random run. Several checks may have the same. */
  readonly rule: string;
  /** What must hold. */
  readonly title: string;
  readonly status: 'passed' | 'failed' | 'skipped' | 'warned';
  /** Whether it has not failed. */
  readonly ok: boolean;
  /** What was seen, or why the check was skipped. */
  readonly detail?: string;
  /** Present if random operations found the failure: the seed, and the shortest sequence that still fails, one operation a line. */
  readonly seed?: number;
  readonly sequence?: string;
}

export interface Report {
  /** Whether no check failed. */
  readonly ok: boolean;
  /** Pass it to `checkFilesystem` or `checkDriver` to repeat the run. */
  readonly seed: number;
  readonly checks: readonly Check[];
}

const MARKS = { passed: 'ok  ', failed: 'FAIL', skipped: 'skip', warned: 'warn' } as const;

function lines({ rule, title, status, detail, seed, sequence }: Check): string[] {
  const head = `${MARKS[status]} ${rule.padEnd(6)} ${title}`;
  const more = detail === undefined ? [] : detail.split('\n');
  if (sequence !== undefined) more.push(`seed ${String(seed)}:`, ...sequence.split('\n').map((line) => `  ${line}`));
  return [head, ...more.map((line) => `            ${line}`)];
}

/** The report as text: a line for each check, under it what was seen, and the counts at the end. */
export function format(report: Report): string {
  const count = (wanted: Check['status']) => report.checks.filter(({ status }) => status === wanted).length;
  const warned = count('warned') === 0 ? '' : `, ${count('warned')} warned`;
  const summary = `${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} skipped${warned}, seed ${report.seed}`;
  return [...report.checks.flatMap(lines), summary, ''].join('\n');
}
