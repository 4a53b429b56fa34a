// A registry that has a tarball as the newest version of its package, and sends for everything else to npm's own:
// `stand-in-registry.mjs TARBALL`. Prints its address, and ends with its standard input.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { URL } from 'node:url';

const [, , path] = process.argv;
const tarball = readFileSync(path);
const manifest = JSON.parse(execFileSync('tar', ['-xOf', path, 'package/package.json'], { encoding: 'utf8' }));
const upstream = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim();
const { name, version } = manifest;
const digest = (algorithm, form) => createHash(algorithm).update(tarball).digest(form);

function document(address) {
  const dist = {
    tarball: `${address}/${name}/-/${name}-${version}.tgz`,
    shasum: digest('sha1', 'hex'),
    integrity: `sha512-${digest('sha512', 'base64')}`,
  };
  // Some package managers take no version that is a few days old.
  const published = new Date(Date.now() - 30 * 86_400_000).toISOString();
  return {
    name,
    'dist-tags': { latest: version },
    versions: { [version]: { ...manifest, _id: `${name}@${version}`, dist } },
    time: { created: published, modified: published, [version]: published },
  };
}

const server = createServer(({ url, headers }, response) => {
  if (url === `/${name}`) {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(document(`http://${headers.host}`)));
  } else if (url.startsWith(`/${name}/-/`)) response.end(tarball);
  else response.writeHead(302, { location: new URL(url, upstream).href }).end();
});
server.listen(0, '127.0.0.1', () => { console.log(`http://127.0.0.1:${server.address().port}`); });
process.stdin.resume().on('end', () => { process.exit(); });
