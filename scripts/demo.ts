import { Command, Option } from 'commander';
import pc from 'picocolors';
import { mintToken } from '#lib/devstack/mint-token';
import { ParleyClient, persistently } from '#lib/testing/parley-client';
import { type Conversation, sampleConversation } from './demo/conversation.js';
import { describeOutage } from './demo/describe-outage.js';
import { type Breakable, breakable, showOutage } from './demo/outage.js';
import { play } from './demo/play.js';
import { type PlayedSearch, Screen } from './demo/screen.js';
import { summarise } from './demo/summary.js';
import { type FoundParley, findParley } from '../apps/cli/src/operator/find-parley.js';
import { operatorEnvironment } from '../apps/cli/src/operator/operator-config.js';
import { Explained, explainAndExit, reasonOf } from '#lib/devstack/terminal/explain';

/** Stages of the contract that this version does not have; shown as missing, never as done. */
const NOT_YET = ['realtime delivery over WebSocket', 'scores and friendship status'];

const LEXICAL = pc.dim(
  'Vectors are made by the built-in embedder, which compares words and parts of words. For meaning: EMBEDDING_PROVIDER.',
);
const ANSWER_WITHIN_MS = 3_000;
const TOKEN_SECONDS = 86_400;

interface Options {
  readonly url?: string;
  readonly json?: boolean;
  readonly break?: Breakable;
}

const program = new Command('demo')
  .description('Plays the shipped sample conversation into a running Parley as live users and shows each stage of the pipeline.')
  .option('--url <url>', 'gateway to talk to (default: the Parley that `npm start` runs here)')
  .addOption(new Option('--break <dependency>', 'stop a private dependency for a while and show that nothing is lost').choices(breakable))
  .option('--json', 'print one JSON document at the end instead of the show')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

program.action(async ({ url, json = false, break: broken }: Options) => {
  if (broken !== undefined) return breakAndHeal(broken, { url, json });
  const parley = await findParley(url);
  await requireAnswer(parley.url);
  const conversation = await sampleConversation();
  const users = await signIn(conversation, parley.url, parley.secret);
  const screen = json ? undefined : new Screen(conversation.messages.length);

  screen?.heading(`${conversation.title}: ${users.size} people, ${conversation.messages.length} messages, into ${parley.url}`);
  const { conversationId, played } = await play(conversation, users, screen ?? silent);
  const searches = await searchAll(conversation, users, conversationId, screen);
  const summary = summarise(
    played,
    searches.map(({ tookMs }) => tookMs),
  );

  if (screen === undefined) {
    process.stdout.write(
      `${JSON.stringify({ url: parley.url, conversationId, messages: played, searches, summary, notYet: NOT_YET }, undefined, 2)}\n`,
    );
  } else {
    screen.heading('Summary');
    screen.summary(summary);
    for (const stage of NOT_YET) screen.line(pc.dim(`${stage}: not part of this version yet`));
    screen.heading('Next');
    for (const line of await nextSteps(parley, conversation, conversationId)) screen.line(line);
  }
  if (summary.messages.searchable < played.length) process.exitCode = 1;
});

/** What to do with what is there now: lines that can be pasted. */
async function nextSteps({ url, secret, audience }: FoundParley, { messages }: Conversation, conversationId: string): Promise<string[]> {
  const user = messages[0]?.sender ?? 'alice';
  const token = await mintToken(secret, { user, audience, ttlSeconds: TOKEN_SECONDS });
  return [
    `Try the API in a browser: ${url}/docs ("Authorize" takes the token of ${user}, good for a day)`,
    `TOKEN='${token}'`,
    `curl -s -H "authorization: Bearer $TOKEN" "${url}/v1/conversations/${conversationId}/messages?afterSeq=0&limit=3"; echo`,
    `curl -s -H "authorization: Bearer $TOKEN" "${url}/v1/search?q=coffee&conversationId=${conversationId}"; echo`,
    'npm run parley -- queues --watch       what waits where',
    'npm run parley -- in-flight            what every process is doing',
    'npm run demo -- --break chroma         an outage, and that it loses nothing',
  ];
}

async function breakAndHeal(dependency: Breakable, { url, json }: { url: string | undefined; json: boolean }): Promise<void> {
  if (url !== undefined) throw new Explained('--break works on the Parley that `npm start` runs here, so leave out --url', 2);
  const startedAt = performance.now();
  const clock = () => pc.dim(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s`);
  const outage = await showOutage(dependency, (line) => (json ? undefined : console.log(`${clock()}  ${line}`)));
  if (json) process.stdout.write(`${JSON.stringify(outage, undefined, 2)}\n`);
  else console.log(`\n${describeOutage(outage)}`);
  if (outage.healedAfterMs === null || outage.messages.found < outage.messages.sent) process.exitCode = 1;
}

/** A wrong address should be said at once; what goes away later is waited for. */
async function requireAnswer(url: string): Promise<void> {
  const answer = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).catch((cause: unknown) => {
    throw new Explained(`no Parley answers at ${url} (${reasonOf(cause)}). Is it running? \`npm run status\` shows what runs here.`);
  });
  if (!answer.ok) throw new Explained(`Parley at ${url} is not ready: /readyz answered ${answer.status} ${await answer.text()}`);
}

const silent = { accepted: () => undefined, embedded: () => undefined };

async function signIn({ messages }: Conversation, url: string, secret: string): Promise<Map<string, ParleyClient>> {
  const names = new Set(messages.map(({ sender }) => sender));
  const entries = [...names].map(async (user) => [user, new ParleyClient(url, await mintToken(secret, { user }))] as const);
  return new Map(await Promise.all(entries));
}

async function searchAll(
  { searches }: Conversation,
  users: ReadonlyMap<string, ParleyClient>,
  conversationId: string,
  screen: Screen | undefined,
): Promise<(PlayedSearch & { tookMs: number })[]> {
  screen?.heading('Searching');
  if (((await operatorEnvironment()).env['EMBEDDING_PROVIDER'] ?? 'local') === 'local') screen?.line(LEXICAL);
  const people = [...users.values()];
  const done: (PlayedSearch & { tookMs: number })[] = [];
  for (const [i, { query, mode, shows }] of searches.entries()) {
    const person = people[i % people.length];
    if (person === undefined) break;
    const { results, tookMs } = await persistently(async () => {
      const startedAt = performance.now();
      const results = await person.search({ q: query, mode, conversationId, limit: 10 });
      return { results, tookMs: performance.now() - startedAt };
    });
    done.push({ query, mode, shows, results, tookMs });
    screen?.search({ query, mode, shows, results });
  }
  return done;
}

await program.parseAsync().catch(explainAndExit);
