import { UserId } from '#lib/contracts/ids';
import { mintToken } from '#lib/devstack/mint-token';
import { Explained } from '#lib/devstack/terminal/explain';
import { findSecret } from '../operator/find-parley.js';

const SECONDS = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** `parley token`: signs with AUTH_JWT_SECRET of the environment, else with the secret that `npm start` keeps. */
export async function makeToken(options: { user: string; admin?: boolean; service?: boolean; ttl: string; json?: boolean }): Promise<void> {
  const user = UserId.safeParse(options.user);
  if (!user.success) throw new Explained(`--user ${user.error.issues[0]?.message}`, 2);
  const scopes = (['admin', 'service'] as const).filter((scope) => options[scope] === true);
  const ttlSeconds = parseTtl(options.ttl);
  const { secret, audience, maxLifeSeconds } = await findSecret();
  refuseLongTtl(ttlSeconds, maxLifeSeconds);
  const token = await mintToken(secret, { user: user.data, scopes, ttlSeconds, audience });
  const expiresAt = new Date(Date.now() + ttlSeconds * 1_000).toISOString();
  process.stdout.write(
    options.json === true ? `${JSON.stringify({ token, user: user.data, scope: scopes.join(' '), expiresAt })}\n` : `${token}\n`,
  );
}

/** `15m` in seconds. @throws Explained for anything that is not a duration. */
export function parseTtl(text: string): number {
  const { amount, unit } = /^(?<amount>[1-9]\d{0,8})(?<unit>[smhd])$/.exec(text)?.groups ?? {};
  if (amount === undefined) throw new Explained('--ttl must be a number and s, m, h or d: for example 30s, 15m, 1h, 7d', 2);
  return Number(amount) * SECONDS[unit as keyof typeof SECONDS];
}

/** @throws Explained for a token that the gateway would refuse as living too long. */
export function refuseLongTtl(ttlSeconds: number, maxLifeSeconds: number): void {
  if (ttlSeconds <= maxLifeSeconds) return;
  throw new Explained(`--ttl must be at most ${maxLifeSeconds}s, which is the longest life of a token (AUTH_TOKEN_MAX_LIFE_S)`, 2);
}
