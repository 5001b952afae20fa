import { UserId } from '#lib/contracts/ids';
import { mintToken } from '#lib/devstack/mint-token';
import { consoleLink } from '#lib/devstack/console-link';
import { Explained } from '#lib/devstack/terminal/explain';
import { findParley } from '../operator/find-parley.js';
import { parseTtl, refuseLongTtl } from './token.js';

/** `parley console`: prints the link that signs a user in to the console. */
export async function showConsoleLink(options: {
  user: string;
  admin?: boolean;
  ttl: string;
  url?: string;
  json?: boolean;
}): Promise<void> {
  const user = UserId.safeParse(options.user);
  if (!user.success) throw new Explained(`--user ${user.error.issues[0]?.message}`, 2);
  const ttlSeconds = parseTtl(options.ttl);
  const parley = await findParley(options.url);
  const { secret, audience, maxLifeSeconds } = parley;
  refuseLongTtl(ttlSeconds, maxLifeSeconds);
  const scopes = options.admin === true ? (['admin'] as const) : [];
  const url = consoleLink(parley.url, await mintToken(secret, { user: user.data, scopes, ttlSeconds, audience }));
  const expiresAt = new Date(Date.now() + ttlSeconds * 1_000).toISOString();
  process.stdout.write(
    options.json === true ? `${JSON.stringify({ url, user: user.data, scope: scopes.join(' '), expiresAt })}\n` : `${url}\n`,
  );
}
