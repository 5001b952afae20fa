import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ParleyClient } from '#lib/testing/parley-client';
import { SocketClient } from '#lib/testing/socket-client';

/** What a bystander asks for. */
export type Asked = 'send' | 'page' | 'search' | 'socket';

/** One answer to a bystander. `status` 0: none came. */
export interface Sample {
  readonly asked: Asked;
  readonly ms: number;
  readonly status: number;
}

/** What the process is told first: the callers and the addresses that they ask. */
export interface BystanderOrders {
  readonly url: string;
  /** Of realtime: each has a socket there, and sends on it. */
  readonly socketUrl: string;
  /** One token for each bystander; each has its own quota. */
  readonly tokens: readonly string[];
}

/** Pause of one bystander between two questions of a kind, in milliseconds: together 4.5 requests/s, below the 5/s of a user (R020). */
const EVERY_MS: Readonly<Record<Asked, number>> = { send: 500, page: 1_500, search: 1_500, socket: 1_000 };

// A program of its own: what the attack costs the process that attacks must not be counted against Parley.
process.once('message', (orders: BystanderOrders) => {
  const samples: Sample[] = [];
  let isAsking = true;
  const asking = Promise.all(orders.tokens.map((token) => standBy(orders, token, samples, () => isAsking)));
  process.once('message', () => {
    isAsking = false;
    void asking.then(() => process.send?.({ samples }, () => process.disconnect()));
  });
});
process.send?.('ready');

async function standBy({ url, socketUrl }: BystanderOrders, token: string, samples: Sample[], isAsking: () => boolean): Promise<void> {
  const client = new ParleyClient(url, token);
  const socket = await SocketClient.connect(socketUrl, token);
  const { id } = await client.createConversation({ memberIds: [] });
  const sendOnSocket = async () => {
    const ref = randomUUID();
    socket.send({ type: 'send', ref, conversationId: id, content: `a cup of coffee, ${ref}`, clientMessageId: ref });
    await socket.frame('ack', (ack) => ack.ref === ref);
    return { status: 202 };
  };
  const questions: Readonly<Record<Asked, () => Promise<{ readonly status: number }>>> = {
    socket: sendOnSocket,
    send: () => client.request('POST', `/v1/conversations/${id}/messages`, { content: `a cup of coffee, ${randomUUID()}` }),
    page: () => client.request('GET', `/v1/conversations/${id}/messages?limit=20`),
    search: () => client.request('GET', `/v1/search?q=${encodeURIComponent(`coffee ${randomUUID()}`)}&limit=5`),
  };
  const ask = async (asked: Asked) => {
    await sleep(Math.random() * EVERY_MS[asked]); // or all of them ask in the same moment
    while (isAsking()) {
      const startedAt = performance.now();
      const { status } = await questions[asked]().catch(() => ({ status: 0 }));
      const ms = performance.now() - startedAt;
      samples.push({ asked, ms, status });
      await sleep(Math.max(0, EVERY_MS[asked] - ms));
    }
  };
  await Promise.all((Object.keys(questions) as Asked[]).map(ask));
  await socket.close();
}
