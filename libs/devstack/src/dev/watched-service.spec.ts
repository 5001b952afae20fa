import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '#lib/testing/eventually';
import { parleyHome } from '../home/home.js';
import { findLeftovers } from '../home/leftovers.js';
import { freePorts } from '../ports/free-ports.js';
import { Terminal } from '../supervisor/terminal.js';
import { runWatched } from './watched-service.js';

/** Answers `says` on every path; `/crash` ends it. */
const app = (says: string) => `
  require('node:http').createServer((request, response) => { if (request.url === '/crash') process.exit(9); response.end('${says}'); })
    .listen(Number(process.env.PORT), '127.0.0.1');
`;

let folder: string;
let stopping: AbortController;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'parley-dev-'));
  for (const name of ['src', 'built', 'home/run']) mkdirSync(join(folder, name), { recursive: true });
  stopping = new AbortController();
});
afterEach(() => {
  stopping.abort();
  rmSync(folder, { recursive: true });
});

it('a watched service restarts after a change that compiles, on the same port, and leaves nothing behind', {
  timeout: 30_000,
}, async () => {
  const [port = 0, inspectPort = 0] = await freePorts(2);
  const url = `http://127.0.0.1:${port}`;
  const source = join(folder, 'src', 'main.cjs');
  const entry = join(folder, 'built', 'main.cjs');
  const home = parleyHome({ PARLEY_HOME: join(folder, 'home') });
  const said: string[] = [];
  const edit = (text: string) => writeFileSync(source, text);
  const answer = async () => (await fetch(url)).text();
  edit(app('first'));
  copyFileSync(source, entry);
  const running = runWatched(
    {
      home,
      app: 'gateway',
      service: {
        name: 'gateway',
        url,
        environment: { PORT: String(port) },
        recalled: new Promise(() => undefined),
        giveBack: async () => true,
      },
      entry,
      inspectPort,
      sources: [join(folder, 'src')],
      compile: async () => {
        if (readFileSync(source, 'utf8').includes('mistake')) return 'main.cjs(1,1): a mistake';
        copyFileSync(source, entry);
        return undefined;
      },
      terminal: {
        say: (line) => said.push(line),
        show: (text) => said.push(text),
        outputOf: (name) => new Terminal(home, true).outputOf(name),
      },
    },
    stopping.signal,
  );
  await eventually(async () => expect(await answer()).toBe('first'));
  expect(((await (await fetch(`http://127.0.0.1:${inspectPort}/json/version`)).json()) as { Browser: string }).Browser).toMatch(/^node/);

  writeFileSync(join(folder, 'src', 'main.spec.ts'), 'no process loads a test');
  edit(app('second'));
  await eventually(async () => expect(await answer()).toBe('second'));
  expect(said).toContain('changed: main.cjs');

  edit('mistake');
  await eventually(() => expect(said).toContain('main.cjs(1,1): a mistake\ndoes not compile; the code before goes on running'));
  expect(await answer()).toBe('second');

  await fetch(`${url}/crash`).catch(() => undefined);
  await eventually(() => expect(said).toContain('gateway exited with code 9; it starts again after the next change'));
  edit(app('third'));
  await eventually(async () => expect(await answer()).toBe('third'));

  stopping.abort();
  await running;
  await expect(answer()).rejects.toThrow('fetch failed');
  expect(await findLeftovers(home)).toEqual([]);
});
