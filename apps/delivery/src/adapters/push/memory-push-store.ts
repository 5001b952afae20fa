import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { DeviceId } from '#lib/contracts/push';
import {
  type MemberDevice,
  type MemberPlace,
  type NamedPush,
  type NewestMessage,
  PushStorePort,
  type PushState,
  type RegisteredDevice,
} from '../../push/push-store.port.js';

/** A message of a test. */
interface MemoryMessage {
  readonly id: MessageId;
  readonly senderId: UserId;
  readonly content: string;
  isDeleted: boolean;
}

/** Devices, members and messages in memory, for tests. */
export class MemoryPushStore extends PushStorePort {
  readonly devices = new Map<UserId, Map<DeviceId, RegisteredDevice>>();
  readonly conversations = new Map<
    ConversationId,
    { readonly title: string | null; readonly readSeqs: Map<UserId, number>; readonly messages: MemoryMessage[] }
  >();

  async devicesOf(messages: readonly NewestMessage[], _after: MemberPlace | undefined) {
    const devices = messages.flatMap(({ conversationId, senderId }): MemberDevice[] =>
      [...(this.conversations.get(conversationId)?.readSeqs.keys() ?? [])]
        .filter((userId) => userId !== senderId)
        .flatMap((userId) => [...(this.devices.get(userId)?.keys() ?? [])].map((deviceId) => ({ conversationId, userId, deviceId }))),
    );
    return { devices, next: undefined };
  }

  async statesOf(pushes: readonly NamedPush[]): Promise<PushState[]> {
    return pushes.map(({ conversationId, seq, userId, deviceId }) => {
      const conversation = this.conversations.get(conversationId);
      const shown = (conversation?.messages ?? [])
        .map((message, i) => ({ ...message, seq: i + 1 }))
        .findLast((message) => message.seq >= seq && !message.isDeleted && message.senderId !== userId);
      return {
        device: this.devices.get(userId)?.get(deviceId),
        readSeq: conversation?.readSeqs.get(userId),
        title: conversation?.title ?? null,
        shown: shown && { messageId: shown.id, seq: shown.seq, senderId: shown.senderId, beginning: shown.content },
      };
    });
  }

  async removeDevice(userId: UserId, deviceId: DeviceId, { provider, token }: RegisteredDevice): Promise<void> {
    const registered = this.devices.get(userId)?.get(deviceId);
    if (registered?.provider === provider && registered.token === token) this.devices.get(userId)?.delete(deviceId);
  }
}
