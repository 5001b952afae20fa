import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ParleySocket } from '#client/parley-socket';
import { SOCKET_PATH } from '#lib/contracts/socket';
import { mintToken } from '#lib/devstack/mint-token';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { watchOver } from '#lib/devstack/private-stack';
import { runOrThrow } from '#lib/devstack/process/commands';
import type { ServerProcess } from '#lib/devstack/process/server-process';
import { serviceProcess } from '#lib/devstack/process/service-process';
import { projectRoot } from '#lib/devstack/project-root';
import { rabbitmqPasswordsFor, rolePasswordsFor } from '#lib/devstack/servers/service-logins';
import { processes, type ServiceName } from '#lib/devstack/services';
import { checkConsistency, consistent } from '#lib/testing/consistency-checker';
import { freshDatabase, freshVhost } from '#lib/testing/databases';
import { eventually } from '#lib/testing/eventually';
import { ParleyClient } from '#lib/testing/parley-client';
import { buildPreviousRelease, PREVIOUS_RELEASE, whyNoPreviousRelease } from '#lib/testing/previous-release';
import { environmentFor, environmentOf, serviceEnvironment } from '#lib/testing/running-parley';
import { SendJournal, SteadyLoad } from '#lib/testing/send-journal';

const PATIENT = { timeoutMs: 60_000, everyMs: 100 };
const USERS = ['alice', 'bob', 'carol', 'dave'];
/** docs/operate/deployment.md, "Order of a rollout". */
const ORDER: readonly ServiceName[] = ['ops', 'embedding', 'delivery', 'scoring', 'gateway', 'realtime'];
const whyNot = await whyNoPreviousRelease();

describe.skipIf(whyNot !== undefined)(`an upgrade from ${PREVIOUS_RELEASE}${whyNot === undefined ? '' : ` (${whyNot})`}`, () => {
  const stack = inject('stack');
  const secret = randomBytes(32).toString('base64url');
  const journal = new SendJournal();
  const shown: number[] = [];
  const cleanups: (() => unknown)[] = [];
  const running = new Map<ServiceName, ServerProcess>();
  let old: string;
  let oldApps: string[];
  let folder: string;
  let shared: Record<string, string>;
  let ports: Map<ServiceName, number>;
  let database: { readonly url: string };
  let vhost: { readonly name: string; readonly url: string };
  let clients: ParleyClient[];
  let conversationId: string;
  let reader: ParleySocket;
  let load: SteadyLoad;

  const urlOf = (service: ServiceName) => `http://127.0.0.1:${ports.get(service)}`;

  /** As its release does it, with the administrators' logins. */
  async function prepare(root: string, apps: readonly string[]): Promise<void> {
    const passwords = rolePasswordsFor(database.url).split(',');
    const known = passwords.filter((each) => apps.includes(each.slice(0, each.indexOf('='))));
    await runOrThrow(process.execPath, [join(root, 'dist/apps/ops/src/main.js'), 'migrate'], {
      timeoutMs: 60_000,
      cwd: root,
      env: serviceEnvironment({ ...shared, DB_ROLE_PASSWORDS: known.join(',') }),
    });
    await runOrThrow(process.execPath, [join(root, 'docker/rabbitmq/import-definitions.mjs')], {
      timeoutMs: 20_000,
      env: {
        ...rabbitmqPasswordsFor(stack.rabbitmqManagementUrl),
        RABBITMQ_MANAGEMENT_URL: stack.rabbitmqManagementUrl,
        RABBITMQ_VHOST: vhost.name,
      },
    });
  }

  async function start(service: ServiceName, root: string): Promise<void> {
    const version = root === projectRoot ? 'new' : 'old';
    const server = serviceProcess({
      name: service,
      url: urlOf(service),
      entry: join(root, 'dist', 'apps', service, 'src', 'main.js'),
      root,
      env: { ...environmentFor(service, shared), PORT: String(ports.get(service)) },
      logFile: join(folder, `${service}-${version}.log`),
      pidFile: join(folder, `${service}-${version}.pid`),
      stopWithinMs: 60_000,
      readyWithinMs: 60_000,
    });
    running.set(service, server);
    await server.start();
  }

  const acknowledgeMore = (count: number) => {
    const wanted = journal.acknowledged.length + count;
    return eventually(() => expect(journal.acknowledged.length).toBeGreaterThanOrEqual(wanted), {
      ...PATIENT,
      what: `${count} more messages`,
    });
  };
  /** What a user does, on whatever runs just now. */
  const worksAsEver = async (word: string) => {
    const [alice] = clients;
    if (alice === undefined) throw new Error('there is no client');
    await journal.send(alice, conversationId, `The ${word} lands behind the lighthouse`);
    const { id, seq } = journal.entries.find(({ content }) => content.includes(word))?.acknowledged ?? { id: '', seq: 0 };
    await eventually(() => expect(shown).toContain(seq), { ...PATIENT, what: `the socket hears of the ${word}` });
    await eventually(
      async () => expect((await alice.message(id)).pipeline).toMatchObject({ embedding: 'done', delivery: 'done' }),
      PATIENT,
    );
    // Not by meaning alone: all journeys share one index of Chroma, which is approximate. That the vectors are there is asked at the end.
    for (const mode of ['sparse', 'hybrid'] as const) {
      // Of the answer of either version just what both have.
      const search = () => alice.request('GET', `/v1/search?q=${word}+lighthouse&mode=${mode}`);
      const found = {
        status: 200,
        body: { items: expect.arrayContaining([expect.objectContaining({ message: expect.objectContaining({ id }) })]) },
      };
      await eventually(async () => expect(await search()).toMatchObject(found), { ...PATIENT, what: `${word} is found (${mode})` });
    }
    const page = await alice.messages(conversationId, { afterSeq: seq - 1, limit: 1 });
    expect(page.items.map((each) => each.id)).toEqual([id]);
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parley-upgrade-'));
    old = join(folder, 'old');
    const [freshPlace, freshHost, numbers] = await Promise.all([
      freshDatabase(stack.databaseUrl),
      freshVhost(stack),
      freePorts(ORDER.length),
      buildPreviousRelease(old).then((apps) => (oldApps = apps)),
    ]);
    cleanups.push(freshPlace.drop, freshHost.drop);
    [database, vhost] = [freshPlace, freshHost];
    ports = new Map(ORDER.map((service, i) => [service, numbers[i] ?? 0]));
    const watcher = watchOver(folder, true);
    cleanups.push(() => watcher.dismiss());
    shared = {
      ...environmentOf(stack, freshPlace, freshHost),
      AUTH_JWT_SECRET: secret,
      OBJECT_STORE_URL: pathToFileURL(join(folder, 'objects')).href,
    };
    await prepare(old, oldApps);
    await Promise.all(ORDER.filter((service) => oldApps.includes(service)).map((service) => start(service, old)));
    clients = await Promise.all(
      USERS.map(async (user) => new ParleyClient(urlOf('gateway'), await mintToken(secret, { user, scopes: [] }))),
    );
    conversationId = (await clients[0]?.createConversation({ memberIds: USERS }))?.id ?? '';
    const socketUrl = new URL(SOCKET_PATH, urlOf('realtime').replace('http', 'ws')).href;
    reader = new ParleySocket({ url: socketUrl, token: () => mintToken(secret, { user: 'bob', scopes: [] }) });
    const changes = reader.messages();
    void (async () => {
      for await (const { type, seq } of changes) if (type === 'created') shown.push(seq);
    })();
    await reader.connect();
    reader.follow({ conversationId, seq: 0 });
    load = new SteadyLoad({ journal, clients, conversationIds: [conversationId], pauseMs: 50 });
  }, 180_000);
  afterAll(async () => {
    reader?.close();
    await Promise.all([...running.values()].map((server) => server.kill()));
    for (const clean of cleanups) await clean();
    await rm(folder, { recursive: true, force: true });
  });

  it('knows every service', () => {
    expect([...ORDER].sort()).toEqual([...new Set(processes.services.map(({ app }) => app))].sort());
  });

  it('lets the processes of before go on, under load, on the schema of this release', async () => {
    await acknowledgeMore(50);
    await worksAsEver('zeppelin');
    await prepare(projectRoot, [...ORDER, 'cli']);
    await acknowledgeMore(50);
    await worksAsEver('balloon');
    expect(oldApps).not.toContain('scoring');
  }, 180_000);

  it('replaces one process after the other under load, and loses, repeats and skips nothing', async () => {
    for (const service of ORDER) {
      await running.get(service)?.stop();
      await start(service, projectRoot);
      await acknowledgeMore(10);
    }
    await worksAsEver('glider');
    await load.stop();
    expect(journal.acknowledged.length).toBe(journal.entries.length);
    const places = { databaseUrl: database.url, rabbitmqUrl: vhost.url, chromaUrl: stack.chromaUrl };
    await eventually(
      async () => {
        const report = await checkConsistency(places, journal.entries);
        // Signals are new: messages that were stored before their queue was there have none.
        expect({ ...report, wrongSignals: [] }).toEqual(consistent);
        expect(report.wrongSignals.length).toBeLessThan(journal.entries.length);
      },
      { ...PATIENT, everyMs: 500, what: 'everything is where it belongs' },
    );
    await eventually(() => expect(shown).toEqual(journal.entries.map((_, i) => i + 1)), {
      ...PATIENT,
      what: 'the socket heard all of it in order',
    });
  }, 300_000);
});
