import { randomUUID } from 'node:crypto';
import { MessageView } from '#lib/contracts/http';
import { SOCKET_PATH } from '#lib/contracts/socket';
import type { PrivateServer } from '#lib/devstack/process/server-process';
import type { RunningParley } from '#lib/testing/running-parley';
import { type LiveTarget, post, urlsFrom } from './live-target.js';

const SENDER = 'bench-sender';
const TOKEN_SECONDS = 24 * 3_600;

/** A running Parley, by its realtime processes or by one of them. Its members are not its sender, who has no socket. */
export const parleyTarget = async (parley: RunningParley, nodes = realtimeOf(parley)): Promise<LiveTarget> => {
  const host = await parley.client(SENDER);
  const authorization = `Bearer ${await parley.tokenOf({ user: SENDER, ttlSeconds: TOKEN_SECONDS })}`;
  return {
    name: 'parley',
    nodes,
    makeConversations: (count, memberCount) =>
      Promise.all(
        Array.from({ length: count }, async () => {
          const run = randomUUID().slice(0, 8);
          const userIds = Array.from({ length: memberCount }, (_, i) => `member-${run}-${i}`);
          const { id } = await host.createConversation({ memberIds: userIds });
          return { id, userIds };
        }),
      ),
    crowdOf: async (conversations, { capacity, firstNode }) => ({
      dialect: 'parley',
      conversationCount: conversations.length,
      capacity,
      members: await Promise.all(
        conversations.flatMap(({ id, userIds }, conversation) =>
          userIds.map(async (user, i) => ({
            urls: urlsFrom(nodes, firstNode ?? i, SOCKET_PATH),
            conversation,
            conversationId: id,
            token: await parley.tokenOf({ user, ttlSeconds: TOKEN_SECONDS }),
          })),
        ),
      ),
    }),
    send: async ({ id }, content) => {
      const { ackAt, text } = await post(`${parley.url}/v1/conversations/${id}/messages`, { content }, { authorization });
      return { seq: MessageView.parse(JSON.parse(text)).seq, ackAt };
    },
  };
};

/** The realtime processes of a Parley, the second one if there are two. */
export const realtimeOf = ({ realtime, seconds }: RunningParley): PrivateServer[] =>
  seconds.realtime === undefined ? [realtime] : [realtime, seconds.realtime];
