import type { UserId } from '#lib/contracts/ids';

/** Who sent a request, as its token says. */
export interface Caller {
  readonly userId: UserId;
  /** `admin` opens `/v1/admin/*`; `service` may act for any user. */
  readonly scopes: ReadonlySet<string>;
}
