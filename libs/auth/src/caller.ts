import type { UserId } from '#lib/contracts/ids';

/** Who sent a request or opened a socket, as its token says. */
export interface Caller {
  readonly userId: UserId;
  /** `admin` opens `/v1/admin/*`; `service` may act for any user. */
  readonly scopes: ReadonlySet<string>;
  /** When the token ends, in milliseconds since 1970. */
  readonly expiresAt: number;
}
