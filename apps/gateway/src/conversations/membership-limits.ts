import type { MembershipLimits } from '#lib/conversations/conversation-store.port';
import type { Config } from '#lib/runtime/config';

/** What one user may start and whom it may add on one day, from the configuration. */
export const membershipLimits = (config: Config): MembershipLimits => ({
  conversationsPerDay: config.DAILY_CONVERSATIONS_PER_USER,
  additionsPerDay: config.DAILY_ADDITIONS_PER_USER,
});
