// Owns the command `doctor`: it prints the diagnosis of one path in plain words.

import { Command } from 'commander';
import { DaxError, doctor, type Report } from 'node-dax';
import { toJson } from './json.js';
import { columns } from './table.js';
import { terminalWidth, wrap } from './width.js';

const WIDTH = 80;

export function doctorCommand(): Command {
  return new Command('doctor')
    .description('Say why a device, file or directory is or is not DAX, and which command changes that')
    .argument('<path>', 'the device, file or directory')
    .option('--mappings', 'also show which page faults in mappings of files (daxMmap) this process can serve')
    .option('--json', 'print JSON, also for an error')
    .action((path: string, { json, mappings }: { json?: true; mappings?: true }) => {
      try {
        const report = doctor(path, { mappings });
        console.log(json === true ? toJson(report) : inWords(report));
      } catch (error) {
        if (json !== true || !(error instanceof DaxError)) throw error;
        const { code, errno, syscall, reason, hint, message } = error;
        console.log(toJson({ path, error: { code, errno, syscall, reason, hint, message } }));
        process.exitCode = 1;
      }
    });
}

function inWords(report: Report): string {
  const parts = [
    `${report.path}: ${heading(report)}`,
    wrap(report.verdict, Math.min(WIDTH, terminalWidth()) - 2)
      .map(indent)
      .join('\n'),
  ];
  if (report.evidence.length > 0) {
    const rows = report.evidence.map(({ source, value, meaning }) => [source, value, meaning]);
    parts.push(
      columns(
        ['  EVIDENCE', 'VALUE', 'MEANING'],
        rows.map(([first = '', ...rest]) => [indent(first), ...rest]),
      ),
    );
  }
  if (report.fix !== undefined) parts.push(`  To change it:\n    ${report.fix}`);
  return parts.join('\n\n');
}

function heading({ isDax, granularity, kind }: Report): string {
  const answer = isDax === undefined ? 'depends on the file' : isDax ? 'DAX' : 'not DAX';
  const unit = granularity === undefined ? '' : `, granularity ${granularity}`;
  return `${kind}, ${answer}${unit}`;
}

function indent(line: string): string {
  return `  ${line}`;
}
