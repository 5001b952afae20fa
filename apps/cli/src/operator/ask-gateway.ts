import { mintToken } from '#lib/devstack/mint-token';
import { commandFor } from '#lib/devstack/installation';
import { Explained } from '#lib/devstack/terminal/explain';
import { findParley } from './find-parley.js';

/** Longer than the gateway takes to give up on silent processes (1.5 s) and on Postgres (2 s). */
const ANSWER_WITHIN_MS = 8_000;
/** An order works for 20 s at most, and then looks whether letters die again. */
const DONE_WITHIN_MS = 40_000;
const TOKEN_SECONDS = 60;

/** What the gateway answers an operator. @throws Explained when it does not answer, or refuses. */
export async function askGateway<T>(path: string, url: string | undefined): Promise<T> {
  return (await (await request(path, url)).json()) as T;
}

/** The same; undefined for what is not there. */
export async function findAtGateway<T>(path: string): Promise<T | undefined> {
  const answer = await request(path, undefined, { mayBeMissing: true });
  return answer.status === 404 ? undefined : ((await answer.json()) as T);
}

/** What the gateway answers to an order. @throws Explained when it does not answer, or refuses. */
export async function orderGateway<T>(path: string, order: unknown): Promise<T> {
  return (await (await request(path, undefined, { order })).json()) as T;
}

async function request(
  path: string,
  url: string | undefined,
  { order, mayBeMissing = false }: { readonly order?: unknown; readonly mayBeMissing?: boolean } = {},
): Promise<Response> {
  const parley = await findParley(url);
  const token = await mintToken(parley.secret, {
    user: 'operator',
    scopes: ['admin'],
    audience: parley.audience,
    ttlSeconds: TOKEN_SECONDS,
  });
  const answer = await fetch(new URL(path, parley.url), {
    headers: { authorization: `Bearer ${token}`, ...(order === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(order === undefined ? {} : { method: 'POST', body: JSON.stringify(order) }),
    signal: AbortSignal.timeout(order === undefined ? ANSWER_WITHIN_MS : DONE_WITHIN_MS),
  }).catch((error: Error) => {
    throw new Explained(`the gateway at ${parley.url} does not answer (${error.name}): \`${commandFor('status')}\` says what runs here`);
  });
  if (answer.ok || (mayBeMissing && answer.status === 404)) return answer;
  const { detail = 'is AUTH_JWT_SECRET the one that it has?' } = (await answer.json().catch(() => ({}))) as { detail?: string };
  throw new Explained(`the gateway at ${parley.url} answered ${answer.status}: ${detail}`);
}
