import { keep, kept } from '../shared/storage.js';
import { storeOf, useStore } from '../shared/store.js';

/** Who is signed in, as the token says. The server alone decides what the token may do. */
export interface Session {
  readonly token: string;
  readonly userId: string;
  readonly scopes: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresAt: number;
}

/** Why a text is no token to sign in with. */
export type TokenFault = 'malformed' | 'expired';

const KEY = 'parley.token';

/** What a token says of itself; its signature is for the server to check. */
export function readToken(text: string, now = Date.now()): Session | TokenFault {
  const token = text.trim().replace(/^bearer\s+/i, '');
  const parts = token.split('.');
  if (parts.length !== 3) return 'malformed';
  try {
    const bytes = Uint8Array.from(atob((parts[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown; exp?: unknown; scope?: unknown };
    if (typeof claims.sub !== 'string' || typeof claims.exp !== 'number') return 'malformed';
    if (claims.exp * 1_000 <= now) return 'expired';
    const scopes = typeof claims.scope === 'string' ? claims.scope.split(' ') : [];
    return { token, userId: claims.sub, scopes, expiresAt: claims.exp * 1_000 };
  } catch {
    return 'malformed';
  }
}

/** A link of `parley console` has the token in its fragment, which no server sees. It leaves the address bar and the history at once. */
function takeFromAddress(): string | undefined {
  const { token } = /^#\/sign-in\?token=(?<token>[^&]*)/.exec(location.hash)?.groups ?? {};
  if (token === undefined) return undefined;
  history.replaceState(null, '', `${location.pathname}#/chat`);
  try {
    return decodeURIComponent(token);
  } catch {
    // Cut in the middle of a character: what is left is no token, and the page says so.
    return token;
  }
}

/** Who is signed in, in this tab: two tabs can be two users. */
export const session = storeOf<Session | undefined>(undefined);
/** Why there is no session, for the page that asks for a token; undefined where none was begun. */
export const signOutReason = storeOf<TokenFault | 'refused' | undefined>(undefined);

function take(text: string): TokenFault | undefined {
  const found = readToken(text);
  if (typeof found === 'string') return found;
  keep('tab', KEY, found.token);
  signOutReason.set(undefined);
  session.set(found);
  return undefined;
}

/** A link that cannot be used ends the session of before: it was meant for another user. */
function takeLink(): void {
  const linked = takeFromAddress();
  const fault = linked === undefined ? undefined : take(linked);
  if (fault !== undefined) signOut(fault);
}

const before = kept('tab', KEY);
const faultBefore = before === null ? undefined : take(before);
if (faultBefore !== undefined) signOut(faultBefore);
takeLink();
// A link that is pasted into a tab that is open already only changes the fragment.
addEventListener('hashchange', takeLink);

/** @returns why the token is none, or undefined when it is taken. */
export const signIn = (text: string): TokenFault | undefined => take(text);

/** `refused`: the server does not take the token any more. */
export function signOut(reason?: TokenFault | 'refused'): void {
  keep('tab', KEY, undefined);
  signOutReason.set(reason);
  session.set(undefined);
}

/** Whether `/v1/admin` is open to this session. */
export const isAdmin = (of: Session): boolean => of.scopes.includes('admin');

/** Of a room, which is shown only to a session. @throws Error outside of one. */
export function useSession(): Session {
  const found = useStore(session);
  if (found === undefined) throw new Error('there is no session');
  return found;
}
