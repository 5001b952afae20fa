import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { startPrivateStack } from '#lib/devstack/private-stack';
import { findTool } from '#lib/devstack/tools/find-tool';
import { eventually } from '#lib/testing/eventually';
import { startParley, type RunningParley } from '#lib/testing/running-parley';
import { persistently } from '#lib/testing/parley-client';
import { SocketClient } from '#lib/testing/socket-client';
import type { Sender } from '../test/bench/load.js';
import { offerMessages } from '../test/bench/steady-load.js';
import { chatText } from '../test/bench/text.js';
import { drawRow, type DrawnLine } from './docs/dashboards/draw-row.js';
import { dashboardRows, type PanelQuery } from './docs/dashboards/rows.js';

/**
 * Draws docs/operate/dashboards/: runs Parley on a private stack under load, watched by a private Prometheus, asks it each query of the
 * dashboard, and writes a picture per row with what it answered. Chroma is away for a while in the middle, so that there is something to see.
 *
 *     npm run build && node dist/scripts/draw-dashboards.js
 */
const FOLDER = 'docs/operate/dashboards';
const SECONDS = Number(process.argv[2] ?? 160);
const PER_SECOND = 60;
const USERS = 40;
const AWAY_FROM_S = 60;
const AWAY_FOR_S = 25;
const SCRAPE_S = 2;
const STEP_S = 4;
const SERVICES = ['gateway', 'realtime', 'embedding', 'delivery', 'scoring', 'ops'] as const;

const prometheus = await findTool('prometheus');
if ('missing' in prometheus) throw new Error(prometheus.missing);
const place = mkdtempSync(join(tmpdir(), 'parley-dashboards-'));
const stack = await startPrivateStack({ progress: console.log });
let parley: RunningParley | undefined;
try {
  parley = await startParley({ stack, env: { ADVICE_WINDOW_MS: '20000', RATE_LIMIT_PER_USER: '0' } });
  await run(parley, prometheus.path);
} finally {
  await parley?.stop();
  await stack.stop();
  rmSync(place, { recursive: true, force: true });
}

async function run(running: RunningParley, program: string): Promise<void> {
  const [port = 0] = await freePorts(1);
  const server = startPrometheus(running, program, port);
  try {
    await eventually(async () => void (await query(port, 'up', Date.now() / 1_000 - 1, Date.now() / 1_000)));
    const from = Date.now() / 1_000;
    await load(running);
    await sleep(2 * SCRAPE_S * 1_000);
    const range = [from, Date.now() / 1_000] as const;
    mkdirSync(FOLDER, { recursive: true });
    for (const row of dashboardRows) {
      const drawn = await Promise.all(
        row.panels.map(async (panel) => ({
          panel,
          lines: (await Promise.all(panel.queries.map((each) => ask(port, each, range)))).flat(),
        })),
      );
      writeFileSync(join(FOLDER, `${row.name}.svg`), drawRow(row, drawn, range));
    }
    writeFileSync(join(FOLDER, 'README.md'), pageOf(await sizesOf(running)));
  } finally {
    server.kill('SIGTERM');
    await once(server, 'exit');
  }
}

function startPrometheus(running: RunningParley, program: string, port: number) {
  const scrape = SERVICES.map((service) => ({
    targets: [new URL(running[service].url).host],
    labels: { service, instance: service },
  }));
  const config = {
    global: { scrape_interval: `${SCRAPE_S}s`, scrape_timeout: `${SCRAPE_S}s` },
    scrape_configs: [{ job_name: 'parley', honor_labels: true, static_configs: scrape }],
  };
  const file = join(place, 'prometheus.yml');
  writeFileSync(file, JSON.stringify(config));
  return spawn(
    program,
    [`--config.file=${file}`, `--storage.tsdb.path=${join(place, 'tsdb')}`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error'],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
}

/** One after the other and again and again: the machine may be busy with other things. */
async function senderOf(running: RunningParley, user: string): Promise<Sender> {
  const client = await running.client(user);
  const { id } = await persistently(() => client.createConversation({ memberIds: [] }));
  return { path: `/v1/conversations/${id}/messages`, headers: { authorization: `Bearer ${await running.tokenOf({ user })}` } };
}

/** Messages, searches, ends of conversations and open sockets. */
async function load(running: RunningParley): Promise<void> {
  const alice = await running.client('alice');
  const { id } = await persistently(() => alice.createConversation({ memberIds: [] }));
  const senders: Sender[] = [];
  for (let user = 0; user < USERS; user += 1) senders.push(await senderOf(running, `user-${user}`));
  const sockets = await Promise.all(
    Array.from({ length: 20 }, async () =>
      SocketClient.connect(running.realtime.url, await running.tokenOf({ user: 'alice' })).catch(() => undefined),
    ),
  );
  const stopping = new AbortController();
  const repeat = async (everyMs: number, work: (turn: number) => Promise<unknown>) => {
    for (let turn = 0; !stopping.signal.aborted; turn += 1) {
      await work(turn).catch(() => undefined);
      await sleep(everyMs, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  const beside = [
    repeat(100, () => alice.send(id, chatText())),
    repeat(400, (turn) => alice.search({ q: chatText().split(' ').slice(0, 2).join(' '), limit: 10 + (turn % 5) })),
    repeat(3_000, () => alice.request('POST', '/v1/conversations/end', { conversationId: id })),
    (async () => {
      await sleep(AWAY_FROM_S * 1_000, undefined, { signal: stopping.signal });
      await stack.chroma.kill();
      await sleep(AWAY_FOR_S * 1_000);
      await stack.chroma.start();
    })(),
  ];
  await offerMessages({ baseUrl: running.url, senders, seconds: SECONDS, perSecond: PER_SECOND, content: chatText });
  stopping.abort();
  await Promise.allSettled(beside);
  for (const socket of sockets) socket?.socket.close();
}

async function ask(port: number, { expr, legend }: PanelQuery, [from, to]: readonly [number, number]): Promise<DrawnLine[]> {
  const shown = expr.replaceAll('$__rate_interval', '20s').replaceAll('$__range', `${Math.ceil(to - from)}s`);
  return (await query(port, shown, from, to)).map(({ metric, values }) => ({
    name: legend.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? ''),
    points: values.map(([at, value]) => [at, Number(value)] as const).filter(([, value]) => Number.isFinite(value)),
  }));
}

interface Matrix {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}

async function query(port: number, expr: string, start: number, end: number): Promise<readonly Matrix[]> {
  const parameters = new URLSearchParams({ query: expr, start: String(start), end: String(end), step: String(STEP_S) });
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/query_range?${parameters.toString()}`, {
    signal: AbortSignal.timeout(10_000),
  });
  const body = (await answer.json()) as { status: string; error?: string; data: { result: readonly Matrix[] } };
  if (body.status !== 'success') throw new Error(`${expr}: ${body.error}`);
  return body.data.result;
}

interface Size {
  readonly table: string;
  readonly rows: number;
  readonly bytes: number;
}

/** What the messages of this run take in Postgres: the largest tables with their indexes. */
async function sizesOf({ databaseUrl }: RunningParley): Promise<readonly Size[]> {
  const client = new Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('ANALYZE');
    const { rows } = await client.query<Size>(
      `SELECT relname AS table, reltuples::float AS rows, pg_total_relation_size(oid)::float AS bytes
       FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY bytes DESC LIMIT 10`,
    );
    return rows;
  } finally {
    await client.end();
  }
}

function pageOf(sizes: readonly Size[]): string {
  const messages = sizes.find(({ table }) => table === 'messages')?.rows ?? 1;
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  const rows = sizes.map(
    ({ table, rows: count, bytes }) => `| \`${table}\` | ${count} | ${(bytes / 1_024).toFixed(0)} | ${Math.round(bytes / messages)} |`,
  );
  return `# The dashboard, drawn

\`docker/grafana/parley.json\` is what Grafana imports (Helm puts it into a ConfigMap); it is printed from \`scripts/docs/dashboards/rows.ts\` by \`npm run docs\`. The pictures below are not of Grafana:
\`npm run build && node dist/scripts/draw-dashboards.js\` ran Parley and a Prometheus of Debian, asked it each query of each panel, and drew what it answered. Thresholds are dashed; a panel whose queries gave nothing says so.

${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, commit ${commit}, ${cpus().length} cores shared with other work: ${PER_SECOND} messages/s of ${USERS} users for ${SECONDS} s, and searches, ends of conversations and 20 sockets beside them; Chroma was away from second ${AWAY_FROM_S} to ${AWAY_FROM_S + AWAY_FOR_S}.

${dashboardRows.map(({ title, name }) => `## ${title}\n\n![${title}](${name}.svg)`).join('\n\n')}

## What the messages of this run take in Postgres

Ordinary texts of \`test/bench/text.ts\`; tables with their indexes, right after the run.

| table | rows | KiB | bytes per message |
| --- | --- | --- | --- |
${rows.join('\n')}
`;
}
