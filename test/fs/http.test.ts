// A server of files whose clients go away in the middle: nothing stays open, and no error is left to nobody.

import { once } from 'node:events';
import { createServer, get, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import t from 'tap';
import { memoryFs, unmountWhenClosed } from '../helpers/full-fs.js';
import { amount } from '../helpers/thorough.js';

const FILE = 4 * 1024 * 1024;
const CLIENTS = amount({ short: 100, thorough: 300, long: 2000 });

t.test('clients that go away in the middle leave no file open', async (t) => {
  const { fs, ext2 } = memoryFs(2 * FILE);
  fs.writeFileSync('/file', Buffer.alloc(FILE, 'x'));
  const served: Promise<string>[] = [];
  const server = createServer((_request, response) => {
    const body = pipeline(fs.createReadStream('/file'), response);
    served.push(body.then(() => 'sent', (error: unknown) => (error as NodeJS.ErrnoException).code ?? ''));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  // Every tenth takes the whole file.
  const ask = async (client: number): Promise<boolean> => {
    const request = get({ port, host: '127.0.0.1', agent: false });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    if (client % 10 === 0) {
      let bytes = 0;
      for await (const chunk of response) bytes += (chunk as Buffer).length;
      return bytes === FILE;
    }
    await once(response, 'data');
    response.destroy();
    return true;
  };
  const outcomes = await Promise.all(Array.from({ length: CLIENTS }, (_, client) => ask(client)));
  t.ok(outcomes.every(Boolean), 'who stayed has the whole file');
  const ends = await Promise.all(served);
  t.equal(ends.length, CLIENTS);
  t.strictSame(new Set(ends), new Set(['sent', 'ERR_STREAM_PREMATURE_CLOSE']));
  server.closeAllConnections();
  server.close();
  // It refuses while a file is open.
  await unmountWhenClosed(ext2);
  t.pass('nothing is open');
});
