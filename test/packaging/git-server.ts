// Owns a repository on the host and the server of which it is cloned: git's own, over HTTP.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { must } from './consumer.js';

const HEADERS_END = '\r\n\r\n';

// As RFC 3875 has it: the request in variables and on the standard input, the headers and then the body on the standard output.
function byGit(folder: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? '', 'http://localhost');
  const { 'content-type': type = '', 'content-length': length = '' } = request.headers;
  const variables = { GIT_PROJECT_ROOT: folder, GIT_HTTP_EXPORT_ALL: '1', PATH_INFO: pathname, QUERY_STRING: search.slice(1), REQUEST_METHOD: request.method };
  const git = spawn('git', ['http-backend'], { env: { ...process.env, ...variables, CONTENT_TYPE: type, CONTENT_LENGTH: length } });
  request.pipe(git.stdin);
  const chunks: Buffer[] = [];
  git.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  git.on('close', () => {
    const answer = Buffer.concat(chunks);
    const end = answer.indexOf(HEADERS_END);
    const headers = answer.subarray(0, end).toString('latin1').split('\r\n').map((line) => line.split(': ') as [string, string]);
    const status = headers.find(([name]) => name === 'Status')?.[1] ?? '200';
    response.writeHead(parseInt(status), Object.fromEntries(headers.filter(([name]) => name !== 'Status')));
    response.end(answer.subarray(end + HEADERS_END.length));
  });
}

/** The URL of a repository of three commits, two branches and a tag in `folder`, served until `test` ends. */
export async function servedRepository(test: Test, folder: string): Promise<string> {
  const cwd = join(folder, 'served.git');
  const git = (...args: string[]) => must('git', ['-c', 'user.name=The author', '-c', 'user.email=author@example.org', ...args], { cwd });
  must('git', ['init', '-q', '-b', 'main', cwd], { cwd: folder });
  for (const name of ['README', 'first', 'second']) {
    writeFileSync(join(cwd, name), `${name} `.repeat(1000));
    git('add', name);
    git('commit', '-qm', name);
  }
  git('branch', 'side', 'HEAD^');
  git('tag', '-am', 'the first', 'v1', 'HEAD^^');
  const server = createServer((request, response) => { byGit(folder, request, response); });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  test.teardown(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/served.git`;
}
