import type { ConversationId, MessageId, UserId } from '#lib/contracts/ids';
import type { DeviceId, PushProvider } from '#lib/contracts/push';

/** A message whose members may get a push. */
export interface NewestMessage {
  readonly conversationId: ConversationId;
  readonly senderId: UserId;
}

/** A device of a member of a conversation. */
export interface MemberDevice {
  readonly conversationId: ConversationId;
  readonly userId: UserId;
  readonly deviceId: DeviceId;
}

/** Where a listing of devices goes on: after this member. */
export type MemberPlace = Pick<MemberDevice, 'conversationId' | 'userId'>;

/** A push that is due, as its event names it. */
export interface NamedPush extends MemberDevice {
  readonly seq: number;
}

/** The device as it is registered now. */
export interface RegisteredDevice {
  readonly provider: PushProvider;
  readonly token: string;
}

/** What a push would show now: the newest message of other users that is not deleted, the one that was named or a later one. */
export interface ShownMessage {
  readonly messageId: MessageId;
  readonly seq: number;
  readonly senderId: UserId;
  /** Its first characters, SHOWN_CHARACTERS at most. */
  readonly beginning: string;
}

/** What Postgres has of a push, all of one moment. */
export interface PushState {
  /** undefined = it was removed. */
  readonly device: RegisteredDevice | undefined;
  /** undefined = the user is no member. */
  readonly readSeq: number | undefined;
  readonly title: string | null;
  /** undefined = there is nothing left to show. */
  readonly shown: ShownMessage | undefined;
}

/** Characters of a message that are read for a push; more than it shows. */
export const SHOWN_CHARACTERS = 1_000;
/** Newest messages of a conversation among which one is looked for that a push may show. */
export const SHOWN_AMONG = 100;

/** What Postgres knows about pushes. All calls throw DependencyError when it cannot. */
export abstract class PushStorePort {
  /**
   * Devices of members of these conversations, except those of the sender. A page at a time, in the order of conversation and user; `next` = there
   * are more members, after this one.
   */
  abstract devicesOf(
    messages: readonly NewestMessage[],
    after: MemberPlace | undefined,
  ): Promise<{ readonly devices: readonly MemberDevice[]; readonly next: MemberPlace | undefined }>;
  /** One state for each of `pushes`, in their order. */
  abstract statesOf(pushes: readonly NamedPush[]): Promise<readonly PushState[]>;
  /** Removes a device whose token is of no use, unless it has another one by now. */
  abstract removeDevice(userId: UserId, deviceId: DeviceId, registered: RegisteredDevice): Promise<void>;
}
