// Counts the results of a TAP stream: assertions, not the test points that only close a subtest.

import { inspect } from 'node:util';
import { Parser } from 'tap-parser';

/** What a person reads of a result that failed. */
export function failureText({ fullname, diag }) {
  const lines = Object.entries(diag ?? {}).map(([key, value]) => {
    const text = (typeof value === 'string' ? value : inspect(value, { depth: null })).trimEnd();
    return `  ${key}: ${(text.includes('\n') ? `\n${text}` : text).replaceAll('\n', '\n    ')}`;
  });
  return ['', `not ok: ${fullname}`, ...lines].join('\n');
}

/** A parser of TAP, and what it has seen so far. `onPoint(result, parser)` is told of every test point, as it comes. */
export function tapResults(onPoint = () => {}) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const failures = [];
  // How many were skipped for each reason.
  const skips = new Map();
  const parser = new Parser();

  const fail = (result) => {
    counts.failed++;
    failures.push(result);
  };
  const watch = (watched) => {
    let failedBefore = 0;
    watched.on('child', (child) => {
      failedBefore = counts.failed;
      watch(child);
    });
    watched.on('assert', (result) => {
      const closes = result.closingTestPoint;
      if (result.skip || result.todo) {
        const reason = String(result.skip || result.todo);
        counts.skipped++;
        skips.set(reason, (skips.get(reason) ?? 0) + 1);
      } else if (result.ok) counts.passed += closes ? 0 : 1;
      // A subtest that fails although nothing in it did: it crashed, ended early, or ran out of time.
      else if (!closes || counts.failed === failedBefore) fail(result);
      onPoint(result, watched);
    });
  };
  watch(parser);
  parser.on('bailout', (reason) => {
    fail({ fullname: 'bailed out', diag: { reason } });
  });
  parser.on('complete', ({ ok, failures: [first] }) => {
    if (!ok && counts.failed === 0) fail({ fullname: 'the output', diag: { error: first?.tapError ?? 'is not complete' } });
  });
  return { parser, counts, failures, skips };
}
