import { setTimeout as sleep } from 'node:timers/promises';
import pc from 'picocolors';
import { UserId } from '#lib/contracts/ids';
import { closeCodes, type ServerFrame, SOCKET_PATH, SUBPROTOCOL } from '#lib/contracts/socket';
import { notFound, runningStack } from '#lib/devstack/home/running-stack';
import { startDetachedCommand } from '#lib/devstack/installation';
import { mintToken } from '#lib/devstack/mint-token';
import { Explained } from '#lib/devstack/terminal/explain';
import { clock } from '#lib/devstack/terminal/log-line';
import { findSecret } from '../operator/find-parley.js';
import { printable } from '../output/printable.js';

interface Options {
  readonly user: string;
  readonly url?: string;
  readonly process?: string;
  readonly json?: boolean;
}

const TOKEN_SECONDS = 12 * 3_600;
const WELCOME_WITHIN_MS = 10_000;
const RECONNECT_AFTER_MS = 1_000;
/** What a hello may carry. */
const MOST_RESUMED = 1_000;
const LONGEST_CONTENT = 200;
/** message.created */
const WIDEST_TYPE = 15;
/** Connecting again would not help. */
const FINAL: readonly number[] = [closeCodes.badFrame, closeCodes.badToken, closeCodes.forbiddenOrigin, closeCodes.rateLimited];

/**
 * `parley listen --user bob`: what a device of that user hears, until Ctrl-C. Connects again after a lost connection and asks for what it missed
 * of the conversations that it has heard of.
 */
export async function listen({ user, url, process: wanted, json = false }: Options): Promise<void> {
  const id = UserId.safeParse(user);
  if (!id.success) throw new Explained(`--user ${id.error.issues[0]?.message}`, 2);
  const address = socketAddress(url ?? (await realtimeUrl(wanted)));
  const { secret, audience } = await findSecret();
  const token = await mintToken(secret, { user: id.data, audience, ttlSeconds: TOKEN_SECONDS });
  const seen = new Map<string, number>();
  process.once('SIGINT', () => process.exit(0));
  process.stdout.on('error', () => process.exit(0)); // `| head`
  note(`listening as ${id.data} at ${address}; Ctrl-C ends it`);
  for (;;) {
    const end = await once(address, token, seen, (text, frame) => print(text, frame, json));
    if (FINAL.includes(end.code)) throw new Explained(`the server closed the connection: ${explained(end)}`);
    note(`${explained(end)}; connecting again`);
    await sleep(RECONNECT_AFTER_MS);
  }
}

/** Of a realtime process that `npm start` runs here, by name or the first one. @throws Explained when there is none. */
async function realtimeUrl(wanted: string | undefined): Promise<string> {
  const stack = await runningStack();
  if (stack === undefined)
    throw new Explained(`${notFound()}, in another terminal, or ${startDetachedCommand}; or name one with --url and AUTH_JWT_SECRET.`);
  const there = stack.services.filter(({ app }) => app === 'realtime');
  const found = wanted === undefined ? there[0] : there.find(({ name }) => name === wanted);
  if (found === undefined)
    throw new Explained(`there is no ${wanted ?? 'realtime process'}; there are: ${there.map(({ name }) => name).join(', ')}`, 2);
  return found.url;
}

/** Exported for its test. @throws Explained, exit code 2, when it is no address of a server. */
export function socketAddress(url: string): string {
  if (!/^(?:http|ws)s?:/.test(url) || !URL.canParse(url))
    throw new Explained(`--url ${url} is not a URL: for example ws://localhost:8081`, 2);
  return new URL(SOCKET_PATH, url.replace(/^http/, 'ws')).href;
}

interface End {
  readonly code: number;
  readonly reason: string;
}

/** One connection, from hello to its end. */
function once(address: string, token: string, seen: Map<string, number>, show: (text: string, frame: ServerFrame) => void): Promise<End> {
  const socket = new WebSocket(address, SUBPROTOCOL);
  const impatience = setTimeout(() => socket.close(), WELCOME_WITHIN_MS);
  socket.addEventListener('open', () => {
    const points = [...seen].slice(-MOST_RESUMED).map(([conversationId, seq]) => ({ conversationId, seq }));
    socket.send(JSON.stringify({ type: 'hello', token, resume: points }));
  });
  socket.addEventListener('message', ({ data }) => {
    const text = String(data);
    const frame = JSON.parse(text) as ServerFrame;
    if (frame.type === 'welcome') clearTimeout(impatience);
    if (frame.type === 'ping') socket.send('{"type":"pong"}');
    remember(frame, seen);
    show(text, frame);
  });
  return new Promise((resolve) => {
    socket.addEventListener('error', () => undefined); // `close` follows
    socket.addEventListener('close', ({ code, reason }) => {
      clearTimeout(impatience);
      resolve({ code, reason });
    });
  });
}

function remember(frame: ServerFrame, seen: Map<string, number>): void {
  if (frame.type !== 'message.created') return;
  const newest = Math.max(frame.seq, seen.get(frame.conversationId) ?? 0);
  seen.delete(frame.conversationId); // to the end: the newest are asked for again
  seen.set(frame.conversationId, newest);
}

function print(text: string, frame: ServerFrame, json: boolean): void {
  if (json) return void process.stdout.write(`${text}\n`);
  const shown = readableFrame(frame);
  if (shown !== undefined) process.stdout.write(`${clock(new Date())} ${shown}\n`);
}

/** One line for people; undefined for a ping without news. Exported for its test. */
export function readableFrame(frame: ServerFrame): string | undefined {
  const name = pc.cyan(frame.type.padEnd(WIDEST_TYPE));
  if ('message' in frame) return `${name} ${place(frame)} ${pc.bold(frame.message.senderId)}: ${contentOf(frame.message)}`;
  if (frame.type === 'error') return `${pc.red(frame.type.padEnd(WIDEST_TYPE))} ${frame.code}: ${oneLine(frame.detail)}`;
  if (frame.type === 'score.updated') return `${name} ${dimmed(frame.conversationId)} ${scoreOf(frame)}`;
  if (frame.type !== 'ping') return `${name} ${fieldsOf(frame)}`;
  const heads = Object.entries(frame.heads ?? {}).map(([id, seq]) => `${id}#${seq}`);
  return heads.length === 0 ? undefined : `${name} ${heads.join(' ')}`;
}

const dimmed = (text: string) => pc.dim(oneLine(text));

const scoreOf = ({ userId, scoreChange, score, level, degraded }: Extract<ServerFrame, { type: 'score.updated' }>) =>
  `${pc.bold(userId)} ${scoreChange < 0 ? '' : '+'}${scoreChange}: ${score}, ${level}${degraded ? pc.yellow(' (degraded: calculated again later)') : ''}`;

const oneLine = (text: string) => printable(text).replaceAll('\n', ' ');

const place = ({ conversationId, seq }: { conversationId: string; seq: number }) => pc.dim(`${conversationId}#${seq}`);

function contentOf({ content, deletedAt }: { content: string; deletedAt?: string | undefined }): string {
  if (deletedAt !== undefined) return pc.dim('(deleted)');
  const text = oneLine(content.slice(0, LONGEST_CONTENT));
  return content.length > LONGEST_CONTENT ? `${text}…` : text;
}

function fieldsOf(frame: ServerFrame): string {
  const fields = Object.entries(frame).filter(([name]) => name !== 'type');
  return fields.map(([name, value]) => pc.dim(`${name}=`) + oneLine(typeof value === 'string' ? value : JSON.stringify(value))).join(' ');
}

function explained({ code, reason }: End): string {
  const [known] = Object.entries(closeCodes).find(([, each]) => each === code) ?? [
    code === 1006 ? 'no answer, or the connection broke' : '',
  ];
  return [`closed with ${code}`, known === '' ? '' : `(${known})`, oneLine(reason)].filter(Boolean).join(' ');
}

/** Beside the frames, so that stdout is frames only. */
function note(text: string): void {
  process.stderr.write(`${pc.dim(text)}\n`);
}
