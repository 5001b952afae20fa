import type { ConversationId, UserId } from '#lib/contracts/ids';

// The id stands in braces, which Redis Cluster hashes alone: whatever is published for it goes to one shard.
const CONVERSATION = 'parley:live:conversation:{';
const USER = 'parley:live:user:{';

/** The sharded channel with the signals of a conversation's members. */
export const conversationChannel = (id: ConversationId): string => `${CONVERSATION}${id}}`;

/** The sharded channel with the signals of one user. */
export const userChannel = (id: UserId): string => `${USER}${id}}`;

/** Whose signals a channel has; undefined when it is none of ours. */
export const topicOf = (channel: string): { readonly kind: 'conversation' | 'user'; readonly id: string } | undefined => {
  if (channel.startsWith(CONVERSATION)) return { kind: 'conversation', id: channel.slice(CONVERSATION.length, -1) };
  if (channel.startsWith(USER)) return { kind: 'user', id: channel.slice(USER.length, -1) };
  return undefined;
};
