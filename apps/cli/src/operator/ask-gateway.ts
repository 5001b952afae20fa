import { mintToken } from '#lib/devstack/mint-token';
import { Explained } from '#lib/devstack/terminal/explain';
import { findParley } from './find-parley.js';

/** Longer than the gateway takes to give up on silent processes (1.5 s) and on Postgres (2 s). */
const ANSWER_WITHIN_MS = 8_000;
const TOKEN_SECONDS = 60;

/** What the gateway answers an operator. @throws Explained when it does not answer, or refuses. */
export async function askGateway<T>(path: string, url: string | undefined): Promise<T> {
  const parley = await findParley(url);
  const token = await mintToken(parley.secret, {
    user: 'operator',
    scopes: ['admin'],
    audience: parley.audience,
    ttlSeconds: TOKEN_SECONDS,
  });
  const answer = await fetch(new URL(path, parley.url), {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
  }).catch((error: Error) => {
    throw new Explained(`the gateway at ${parley.url} does not answer (${error.name}): \`npm run status\` says what runs here`);
  });
  if (!answer.ok) throw new Explained(`the gateway at ${parley.url} answered ${answer.status}: is AUTH_JWT_SECRET the one that it has?`);
  return (await answer.json()) as T;
}
