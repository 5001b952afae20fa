import { ProblemError } from '#lib/contracts/problems';
import type { Caller } from '#lib/auth/caller';
import type { TokenVerifierPort } from '#lib/auth/token-verifier.port';

const BEARER = /^Bearer +([^\s]+)$/i;
/** Beginnings of the routes for administrators. */
const ADMIN_ROUTES = ['/v1/admin/', '/v1/users/'];

/**
 * Says who calls a route, or refuses. Every route that reaches this needs a token: there is no way to opt out of it but to be an operations
 * route. `route` is the template of the route.
 * @throws ProblemError `unauthenticated`. Rejects with ProblemError `forbidden`, or what the verifier says: InvalidToken.
 */
export const authenticate = (verifier: TokenVerifierPort, authorization: string | undefined, route: string): Promise<Caller> => {
  const token = BEARER.exec(authorization ?? '')?.[1];
  if (token === undefined) throw new ProblemError('unauthenticated', 'Send a token: Authorization: Bearer <JWT>.');
  return ADMIN_ROUTES.some((beginning) => route.startsWith(beginning)) ? adminOf(verifier.verify(token)) : verifier.verify(token);
};

const adminOf = async (verified: Promise<Caller>): Promise<Caller> => {
  const caller = await verified;
  if (!caller.scopes.has('admin')) throw new ProblemError('forbidden', 'This needs a token with the scope admin.');
  return caller;
};
