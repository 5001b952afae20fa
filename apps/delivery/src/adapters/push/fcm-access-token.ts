import { importPKCS8, SignJWT } from 'jose';
import { z } from 'zod';
import { UnusableAnswer } from '#lib/resilience/adapters/http/json-request';
import type { Breakers } from '#lib/resilience/call/breakers';
import { withoutDeadline } from '#lib/resilience/call/deadline';
import type { ServiceAccount } from '#lib/runtime/config/service-account';
import { PushApi } from './push-api.js';

const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging';
const GRANT = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** Tokens live for an hour; one that ends while a call is on its way is refused. */
const RENEW_BEFORE_END_MS = 300_000;

const Answer = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() });

/** The access token of a service account (RFC 7523): fetched once for all who ask, kept until shortly before its end. */
export class FcmAccessToken {
  private readonly api: PushApi;
  private readonly path: string;
  private held: { readonly token: string; readonly renewAt: number } | undefined;
  private fetching: Promise<string> | undefined;

  constructor(
    private readonly account: ServiceAccount,
    breakers: Breakers,
    timeoutMs?: number,
  ) {
    const { pathname, search, origin } = new URL(account.token_uri);
    this.path = pathname + search;
    this.api = new PushApi({ provider: 'fcm', operation: 'token', url: origin, timeoutMs }, breakers);
  }

  /** @throws DependencyError, also when the account is not let in: that is a matter of the set-up, for which pushes wait. */
  async get(): Promise<string> {
    if (this.held !== undefined && performance.now() < this.held.renewAt) return this.held.token;
    // It is shared: the deadline of the caller who was first must not end it for the others.
    this.fetching ??= withoutDeadline(() => this.fetch()).finally(() => {
      this.fetching = undefined;
    });
    return this.fetching;
  }

  /** Forgets a token that was refused, unless it is another one by now. */
  forget(token: string): void {
    if (this.held?.token === token) this.held = undefined;
  }

  close(): void {
    this.api.close();
  }

  private async fetch(): Promise<string> {
    const form = { grant_type: GRANT, assertion: await this.assertion() };
    const { access_token: token, expires_in: seconds } = await this.api.ask({ path: this.path, form }, answerFrom, () => undefined);
    const livesMs = seconds * 1_000;
    this.held = { token, renewAt: performance.now() + Math.max(livesMs / 2, livesMs - RENEW_BEFORE_END_MS) };
    return token;
  }

  private async assertion(): Promise<string> {
    const { client_email: email, private_key: key, private_key_id: kid, token_uri: audience } = this.account;
    return new SignJWT({ scope: SCOPE })
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(kid === undefined ? {} : { kid }) })
      .setIssuer(email)
      .setAudience(audience)
      .setIssuedAt()
      .setExpirationTime('1h')
      .sign(await importPKCS8(key, 'RS256'));
  }
}

const answerFrom = (answer: unknown): z.infer<typeof Answer> => {
  const parsed = Answer.safeParse(answer);
  if (!parsed.success) throw new UnusableAnswer('fcm token', 'an answer without an access token');
  return parsed.data;
};
