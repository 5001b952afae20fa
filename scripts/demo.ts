import { Command, Option } from 'commander';
import pc from 'picocolors';
import { mintToken } from '#lib/devstack/mint-token';
import { ParleyClient, persistently } from '#lib/testing/parley-client';
import { type Conversation, sampleConversation } from './demo/conversation.js';
import { describeOutage } from './demo/describe-outage.js';
import { type Breakable, breakable, showOutage } from './demo/outage.js';
import { describeEnd } from './demo/describe-end.js';
import { endConversation, isScored, type PlayedEnd } from './demo/end.js';
import { LiveUser, type RealtimePlace } from './demo/live-user.js';
import { realtimePlaces } from './demo/realtime-places.js';
import { type Person, play } from './demo/play.js';
import { readReceipts } from './demo/receipts.js';
import { type PlayedSearch, Screen } from './demo/screen.js';
import { summarise } from './demo/summary.js';
import { duration } from '../apps/cli/src/output/cells.js';
import { type FoundParley, findParley } from '../apps/cli/src/operator/find-parley.js';
import { inOneProcess } from '../apps/cli/src/operator/in-one-process.js';
import { operatorEnvironment } from '../apps/cli/src/operator/operator-config.js';
import { Explained, explainAndExit, reasonOf } from '#lib/devstack/terminal/explain';

const LEXICAL = pc.dim(
  'Vectors are made by the built-in embedder, which compares words and parts of\nwords. For meaning: EMBEDDING_PROVIDER.',
);
const BY_RULES = 'Analysed by the built-in rules, in English and Vietnamese. For a language model: LLM_PROVIDER.';
const BY_MODEL = 'Analysed by the language model of LLM_PROVIDER, which may take minutes.';
const ANSWER_WITHIN_MS = 3_000;
const CONNECTED_WITHIN_MS = 10_000;
/** The last person leaves so many messages unread. */
const LEFT_UNREAD = 5;
const TOKEN_SECONDS = 86_400;

interface Options {
  readonly url?: string;
  readonly realtime?: readonly string[];
  readonly json?: boolean;
  readonly break?: Breakable;
}

const program = new Command('demo')
  .description('Plays the shipped sample conversation into a running Parley as live users and shows each stage of the pipeline.')
  .option('--url <url>', 'gateway to talk to (default: the Parley that `npm start` runs here)')
  .option('--realtime <urls...>', 'realtime processes to connect to, with --url')
  .addOption(new Option('--break <dependency>', 'stop a private dependency for a while and show that nothing is lost').choices(breakable))
  .option('--json', 'print one JSON document at the end instead of the show')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2));

program.action(async ({ url, realtime, json = false, break: broken }: Options) => {
  if (broken !== undefined) return breakAndHeal(broken, { url, json });
  const parley = await findParley(url);
  await requireAnswer(parley.url);
  const places = await realtimePlaces(url, realtime);
  const conversation = await sampleConversation();
  const people = await signIn(conversation, parley, places);
  try {
    await show(conversation, parley, people, json ? undefined : new Screen(conversation.messages.length));
  } finally {
    await Promise.all([...people.values()].map(({ live }) => live.leave()));
  }
});

async function show(
  conversation: Conversation,
  parley: FoundParley,
  people: ReadonlyMap<string, Person>,
  screen: Screen | undefined,
): Promise<void> {
  const everyone = [...people.values()];
  const headSeq = conversation.messages.length;
  for (const { live } of everyone.slice(-1)) live.readsUpTo = headSeq - LEFT_UNREAD;
  screen?.heading(`${conversation.title}: ${people.size} people, ${headSeq} messages, into ${parley.url}`);
  for (const line of whoIsWhere(everyone, { mayBeMore: !(await inOneProcess()) })) screen?.line(line);
  screen?.columns();
  const startTime = new Date().toISOString();
  const { conversationId, played, outage } = await play(conversation, people, screen ?? silent);
  const endTime = new Date().toISOString();
  screen?.heading('Receipts');
  const receipts = await readReceipts(everyone, conversationId, headSeq);
  screen?.receipts(receipts);
  const searches = await searchAll(conversation, people, conversationId, screen);
  const end = await endAsHost(everyone, { conversationId, startTime, endTime }, screen);
  const sockets = everyone.map(({ name, live }) => ({ user: name, on: live.place.name, shown: live.shown }));
  const summary = summarise(
    played,
    sockets.map(({ shown }) => shown),
    searches.map(({ tookMs }) => tookMs),
    end,
  );

  if (screen === undefined) {
    const document = { url: parley.url, conversationId, messages: played, sockets, outage, receipts, searches, end, summary };
    process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
  } else {
    screen.heading('Summary');
    screen.summary(summary);
    screen.heading('Next');
    for (const line of await nextSteps(parley, conversation, conversationId)) screen.line(line);
  }
  const { searchable, signals, complete } = summary.messages;
  if (Math.min(searchable, signals) < played.length || complete < sockets.length || !isScored(end)) process.exitCode = 1;
}

/** The first person ends the conversation; it stays open for the others. */
async function endAsHost(
  [host]: readonly Person[],
  end: { readonly conversationId: string; readonly startTime: string; readonly endTime: string },
  screen: Screen | undefined,
): Promise<PlayedEnd> {
  if (host === undefined) throw new Error('the conversation has no members');
  screen?.heading(`${host.name} ends the conversation`);
  const isByModel = ((await operatorEnvironment()).env['LLM_PROVIDER'] ?? 'local') !== 'local';
  screen?.line(pc.dim(isByModel ? BY_MODEL : BY_RULES));
  const waiting = (waitedMs: number, givesUpAfterMs: number) =>
    screen?.line(pc.dim(`no score yet after ${duration(waitedMs)}; waiting for ${duration(givesUpAfterMs)} at most`));
  const ended = await endConversation(host, end, { isByModel, waiting });
  if (screen !== undefined) for (const line of describeEnd(ended)) screen.line(line);
  return ended;
}

/** Who is connected to which process, a line for each of those. */
function whoIsWhere(people: readonly Person[], { mayBeMore }: { readonly mayBeMore: boolean }): string[] {
  const places = [...new Set(people.map(({ live }) => live.place.name))];
  const lines = places.map((place) => {
    const there = people.filter(({ live }) => live.place.name === place).map(({ name }) => name);
    return `${pc.bold(place)}: ${there.join(', ')}`;
  });
  return [
    ...lines,
    ...(places.length === 1 && mayBeMore ? [pc.dim('`npm start -- --realtime 2` spreads them over two processes')] : []),
    '',
  ];
}

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
    'npm run parley -- listen --user linh   what a device of that user hears',
    'npm run parley -- rescore --user linh  scores what changed since, behind everything else',
    ...((await inOneProcess()) ? [] : ['npm run demo -- --break redis          an outage, and that it loses nothing']),
  ];
}

async function breakAndHeal(dependency: Breakable, { url, json }: { url: string | undefined; json: boolean }): Promise<void> {
  if (url !== undefined) throw new Explained('--break works on the Parley that `npm start` runs here, so leave out --url', 2);
  const startedAt = performance.now();
  const clock = () => pc.dim(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6)} s`);
  const outage = await showOutage(dependency, (line) => {
    if (!json) console.log(`${clock()}  ${wrapped(line).join(`\n${' '.repeat(CLOCK_WIDTH)}`)}`);
  });
  if (json) process.stdout.write(`${JSON.stringify(outage, undefined, 2)}\n`);
  else console.log(`\n${describeOutage(outage)}`);
  if (outage.healedAfterMs === null || outage.messages.found < outage.messages.sent || outage.messages.seen < outage.messages.sent)
    process.exitCode = 1;
}

/** Of the clock in front of each line, with the blanks behind it. */
const CLOCK_WIDTH = 10;

/** Lines that fit 80 columns behind the clock, broken between words. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line !== undefined && line.length + word.length < 80 - CLOCK_WIDTH) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** A wrong address should be said at once; what goes away later is waited for. */
async function requireAnswer(url: string): Promise<void> {
  const answer = await fetch(new URL('/readyz', url), { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) }).catch((cause: unknown) => {
    throw new Explained(`no Parley answers at ${url} (${reasonOf(cause)}). Is it running? \`npm run status\` shows what runs here.`);
  });
  if (!answer.ok) throw new Explained(`Parley at ${url} is not ready: /readyz answered ${answer.status} ${await answer.text()}`);
}

const silent = {
  sent: () => undefined,
  embedded: () => undefined,
  unscored: () => undefined,
  lost: () => undefined,
  resumed: () => undefined,
};

/** Each with a socket, on the processes in turn. */
async function signIn({ messages }: Conversation, { url, secret, audience }: FoundParley, places: readonly RealtimePlace[]) {
  const names = [...new Set(messages.map(({ sender }) => sender))];
  const people = names.map(async (name, i): Promise<[string, Person]> => {
    const place = places[i % places.length];
    if (place === undefined) throw new Error('there is no realtime process');
    const token = () => mintToken(secret, { user: name, audience });
    const live = await LiveUser.connect(name, place, token, CONNECTED_WITHIN_MS).catch((cause: unknown) => {
      throw new Explained(`${reasonOf(cause)}. \`npm run status\` shows what runs here.`);
    });
    return [name, { name, rest: new ParleyClient(url, await token()), live }];
  });
  return new Map(await Promise.all(people));
}

async function searchAll(
  { searches }: Conversation,
  people: ReadonlyMap<string, Person>,
  conversationId: string,
  screen: Screen | undefined,
): Promise<(PlayedSearch & { tookMs: number })[]> {
  screen?.heading('Searching');
  if (((await operatorEnvironment()).env['EMBEDDING_PROVIDER'] ?? 'local') === 'local') screen?.line(LEXICAL);
  const everyone = [...people.values()];
  const done: (PlayedSearch & { tookMs: number })[] = [];
  for (const [i, { query, mode, shows }] of searches.entries()) {
    const person = everyone[i % everyone.length];
    if (person === undefined) break;
    const { results, tookMs } = await persistently(async () => {
      const startedAt = performance.now();
      const results = await person.rest.search({ q: query, mode, conversationId, limit: 10 });
      return { results, tookMs: performance.now() - startedAt };
    });
    done.push({ query, mode, shows, results, tookMs });
    screen?.search({ query, mode, shows, results });
  }
  return done;
}

await program.parseAsync().catch(explainAndExit);
