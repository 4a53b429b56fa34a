// Owns the caveats about drivers that did not reach the steady state of their job.

import { formatSteadyState, steadinessOf } from '../jobs/steady-state.js';
import type { JobResult } from './report.js';

/** A sentence for each driver that its runtime ended in a round, and not that it was steady. */
export function steadyCaveats({ job, groups }: JobResult): string[] {
  const { steadystate, steadystate_duration: duration } = job;
  if (steadystate === undefined || duration === undefined) return [];
  return groups.flatMap(({ rows }) =>
    rows.flatMap(({ name, figures: { steady } }) => {
      if (steady === undefined || steady.isAttained) return [];
      const wanted = `${formatSteadyState(steadystate)} for ${duration} s`;
      if (steady.iops.length < duration) return [`${name} was not judged (${wanted}): its runtime was over after ${steady.iops.length} samples`];
      const { value } = steadinessOf(steadystate, steady.iops, job.bs);
      const found = steadystate.isPercent ? `${Number(Math.abs(value).toPrecision(3))} %` : `${Math.round(Math.abs(value))}`;
      return [`${name} was not steady (${wanted}) before its runtime was over: ${steadystate.criterion} ${found}`];
    }),
  );
}
