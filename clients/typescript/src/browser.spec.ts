import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runOrThrow } from '../../../libs/devstack/src/process/commands.js';
import { projectRoot } from '../../../libs/devstack/src/project-root.js';
import { messagesOf, ScriptedSocketServer } from '../../../libs/testing/src/scripted-socket-server.js';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));
const CONVERSATION = '0198c0de-0000-7000-8000-000000000001';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-client-'));
  const compiler = join(projectRoot, 'node_modules', 'typescript7', 'bin', 'tsc');
  const project = join(projectRoot, 'clients', 'typescript', 'tsconfig.json');
  await runOrThrow(process.execPath, [compiler, '-p', project, '--outDir', folder], { timeoutMs: 60_000 });
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

it('the client compiles with the types of the browser alone, and its modules import each other only', async () => {
  const text = await readFile(join(folder, 'parley-socket.js'), 'utf8');
  const imports = [...text.matchAll(/from '([^']+)'/g)].map(([, from = '']) => from);
  expect(imports.length).toBeGreaterThan(5);
  expect(imports.filter((from) => !existsSync(join(folder, from)))).toEqual([]);
});

// Without a browser on this machine there is nothing to run it in; the compilation above says what can be said.
it.skipIf(CHROMIUM === undefined)('a page in a browser connects, sends, and shows what it is sent', { timeout: 60_000 }, async () => {
  const server = await ScriptedSocketServer.start();
  server.history.set(CONVERSATION, messagesOf(CONVERSATION, 3));
  const said = Promise.withResolvers<string>();
  const page = `<script type="module">
    import { ParleySocket } from '/parley-socket.js';
    const parley = new ParleySocket({ url: ${JSON.stringify(server.url)}, token: 'a token', resume: [{ conversationId: '${CONVERSATION}', seq: 0 }] });
    const seqs = [];
    const changes = parley.messages();
    await parley.connect();
    await parley.send('${CONVERSATION}', 'from a browser');
    for await (const { seq } of changes) if (seqs.push(seq) === 3) break;
    await fetch('/said', { method: 'POST', body: JSON.stringify(seqs) });
  </script>`;
  const web = createServer((request, response) => {
    if (request.url === '/said') {
      let body = '';
      request.on('data', (chunk) => (body += chunk)).on('end', () => said.resolve(body));
      response.end();
    } else if (request.url === '/') response.setHeader('content-type', 'text/html').end(page);
    else {
      const found = readFile(join(folder, new URL(request.url ?? '', 'http://page').pathname), 'utf8');
      found.then(
        (code) => response.setHeader('content-type', 'text/javascript').end(code),
        () => response.writeHead(404).end(),
      );
    }
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${(web.address() as AddressInfo).port}/`;
  const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', `--user-data-dir=${join(folder, 'profile')}`];
  const browser = spawn(CHROMIUM ?? '', [...flags, address], { stdio: 'ignore', detached: true });
  const gone = new Promise((resolve) => browser.once('exit', resolve));
  try {
    browser.once('error', said.reject);
    expect(JSON.parse(await said.promise)).toEqual([1, 2, 3]);
    expect(server.connections[0]?.heard('send').map(({ content }) => content)).toEqual(['from a browser']);
  } finally {
    if (browser.pid !== undefined) process.kill(-browser.pid, 'SIGKILL');
    await gone;
    web.closeAllConnections();
    web.close();
    await server.stop();
  }
});
