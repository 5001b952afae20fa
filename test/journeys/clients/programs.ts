// Programs of users, as text: they are compiled against what was generated or installed, not against this repository.

/** Uses a client that a public generator made of the OpenAPI document, and prints what came out as JSON. */
export const GENERATED_CLIENT_PROGRAM = String.raw`
import { client } from './generated/client.gen.js';
import * as parley from './generated/sdk.gen.js';
import type { DeadLetter, EditMessageError, FriendshipStatus, Health, InFlightReport, Message, SearchHit } from './generated/types.gen.js';

type IsKnown<T> = 0 extends 1 & T ? false : unknown extends T ? false : true;
const known: [
  IsKnown<Message['pipeline']['embedding']>,
  IsKnown<SearchHit['ranks']['rrf']>,
  IsKnown<NonNullable<FriendshipStatus['topicMetrics']['music']>['lastAt']>,
  IsKnown<DeadLetter['errorClass']>,
  IsKnown<InFlightReport['items'][number]['silent']>,
  IsKnown<Health['checks']['postgres']['status']>,
  IsKnown<EditMessageError['code']>,
] = [true, true, true, true, true, true, true];

/** Compiles only if every code that an edit may be refused with is in the document, and no other. */
const meaningOf = (error: EditMessageError): string => {
  switch (error.code) {
    case 'validation':
      return (error.errors ?? []).map(({ pointer }) => pointer).join();
    case 'version-conflict':
      return 'read it again';
    case 'unauthenticated':
    case 'forbidden':
    case 'not-found':
    case 'payload-too-large':
      return 'it cannot be done';
    case 'rate-limited':
    case 'overloaded':
    case 'dependency-unavailable':
    case 'timeout':
      return 'later';
    case 'internal':
      return error.requestId;
    default:
      return error satisfies never;
  }
};

const env = (name: string): string => process.env[name] ?? '';
const must = <T>({ data, error }: { data?: T; error?: unknown }): T => {
  if (data === undefined) throw new Error('refused: ' + JSON.stringify(error));
  return data;
};
client.setConfig({ baseUrl: env('PARLEY_URL'), auth: env('ALICE') });
const asOlga = { auth: env('OLGA') };

const conversation = must(await parley.createConversation({ body: { title: 'Lunch', memberIds: ['bob'] } }));
const path = { conversationId: conversation.id };
const send = (content: string, key: string) => parley.sendMessage({ path, body: { content }, headers: { 'Idempotency-Key': key } });
const first = await send('Shall we have coffee?', 'key-1');
const again = await send('Shall we have coffee?', 'key-1');
const message = must(first);
const reused = await send('Shall we have tea?', 'key-1');
const page = must(await parley.listMessages({ path, query: { afterSeq: 0, limit: 10 } }));

const until = async <T>(look: () => Promise<T | undefined>): Promise<T> => {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};
const hit = await until(async () =>
  must(await parley.searchMessages({ query: { q: 'coffee', conversationId: conversation.id, explain: true } })).items.find(({ ranks }) => ranks.dense === 1),
);
const context = must(await parley.buildContext({ path, body: { query: 'What do we drink?', maxTokens: 500 } }));

const edit = (version: number) =>
  parley.editMessage({ path: { messageId: message.id }, headers: { 'If-Match': '"' + version + '"' }, body: { content: 'Shall we have tea?' } });
const edited = must(await edit(message.version));
const conflict = await edit(message.version);
if (conflict.error === undefined) throw new Error('the old version was changed');

const now = new Date().toISOString();
const ended = must(await parley.endConversation({ body: { conversationId: conversation.id, userId: 'alice', startTime: now, endTime: now } }));
const friendship = await until(async () => {
  const status = must(await parley.getFriendshipStatus({ path: { userId: 'alice' } }));
  return status.version > 0 ? status : undefined;
});

await parley.sendMessage({ path, body: { content: env('POISON') } });
const letter = await until(async () =>
  must(await parley.listDeadLetters({ ...asOlga, query: { queue: 'embedding.messages' } })).items.find(({ conversationId }) => conversationId === conversation.id),
);
const detail = must(await parley.getDeadLetter({ ...asOlga, path: { letterId: letter.id } }));
const dry = must(await parley.replayDeadLetters({ ...asOlga, body: { queue: letter.queue, ids: [letter.id], dryRun: true } }));
const notForAlice = await parley.listDeadLetters();
const wrong = await parley.sendMessage({ path, body: { content: '' } });
const health = must(await parley.getHealth());

console.log(
  JSON.stringify({
    known,
    replayed: [again.data?.id === message.id, again.response?.headers.get('idempotency-replayed')],
    reused: reused.error?.code,
    page: page.items.map(({ content }) => content),
    hit: hit.message.content,
    context: context.items.length,
    edited: edited.version,
    conflict: [conflict.error.code, meaningOf(conflict.error)],
    ended: ended.status,
    friendship: friendship.level,
    letter: [letter.errorClass, detail.payloadEncoding, dry.done],
    notForAlice: notForAlice.error?.code,
    wrong: wrong.error?.code === 'validation' ? wrong.error.errors?.map(({ pointer }) => pointer) : wrong.error?.code,
    health: health.status,
  }),
);
`;

/** Uses more of the installed package than its README does: types, pages, errors, and a socket that is given to it. */
export const PACKAGE_PROGRAM = String.raw`
import { ParleyApi, ParleyError, ParleySocket, type Change, type Message, type SearchResults, type SocketConstructor } from '@parley/client';
import { WebSocket } from 'ws';

const given: SocketConstructor = WebSocket;
const env = (name: string): string => process.env[name] ?? '';
const api = new ParleyApi({ url: env('PARLEY_URL'), token: () => env('PARLEY_TOKEN') });
const live = new ParleySocket({ url: env('PARLEY_SOCKET_URL'), token: env('PARLEY_TOKEN'), webSocket: given });

const { id } = await api.createConversation({ memberIds: [] });
live.follow({ conversationId: id, seq: 0 });
const changes = live.messages(id);
await live.connect();
for (let n = 1; n <= 3; n++) await api.sendMessage(id, { content: 'number ' + n, metadata: { n } });
const seen: Change['type'][] = [];
for await (const { type } of changes) if (seen.push(type) === 3) break;
const stored: Message[] = [];
for await (const message of api.eachMessage(id)) stored.push(message);
const [first] = stored;
if (first === undefined) throw new Error('nothing is stored');
await api.editMessage(first.id, { content: 'number one' }, { ifVersion: first.version });
const conflict: unknown = await api.editMessage(first.id, { content: 'no' }, { ifVersion: first.version }).catch((error: unknown) => error);
const search = (): Promise<SearchResults> => api.searchMessages({ q: 'number', conversationId: id, rerank: false });
let found = await search();
// The full text follows a message within a moment.
while (found.items.length < 3) found = await search();
live.close();
console.log(
  JSON.stringify({
    hasOwnSocket: 'WebSocket' in globalThis,
    seen,
    stored: stored.map(({ seq, metadata }) => [seq, metadata?.['n']]),
    conflict: conflict instanceof ParleyError ? [conflict.code, conflict.problem?.status] : conflict,
    found: found.items.length,
  }),
);
`;

/** A page: shows what it did in its title. */
export const PAGE_PROGRAM = String.raw`
import { ParleyApi, ParleySocket } from '@parley/client';

const { url, socketUrl, token } = JSON.parse(decodeURIComponent(location.hash.slice(1))) as Record<'url' | 'socketUrl' | 'token', string>;
const run = async (): Promise<string> => {
  const api = new ParleyApi({ url, token });
  const live = new ParleySocket({ url: socketUrl, token });
  const { id } = await api.createConversation({ memberIds: ['bob'] });
  live.follow({ conversationId: id, seq: 0 });
  const changes = live.messages(id);
  await live.connect();
  await live.send(id, 'from a browser');
  for await (const { message } of changes) {
    const { items } = await api.listMessages(id);
    live.close();
    return message.content + ', ' + items.length + ' stored';
  }
  return 'nothing came';
};
run().then(
  (said) => (document.title = said),
  (error: unknown) => (document.title = 'failed: ' + String(error)),
);
`;
