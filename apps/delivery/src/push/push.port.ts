import type { ConversationId, MessageId } from '#lib/contracts/ids';

/** A push is of use for this long: then it is dropped, here and at the provider (docs/concepts/resilience.md, "Numbers"). */
export const MAX_AGE_MS = 3_600_000;

/** What one device is told. */
export interface Push {
  /** The device's address at its provider. */
  readonly token: string;
  /** At most 400 bytes. */
  readonly title: string | undefined;
  /** At most 1,000 bytes: with title and ids it stays below the 4,096 bytes that FCM and APNs take. */
  readonly body: string;
  /** A push of the same conversation takes the place of the one before it on the device. */
  readonly conversationId: ConversationId;
  readonly messageId: MessageId;
  readonly seq: number;
  /** How long the provider keeps it for a device that is out of reach, in seconds. */
  readonly ttlSeconds: number;
}

/** What the provider said. */
export type PushOutcome =
  /** It has taken the push. */
  | { readonly kind: 'sent' }
  /** There is no such device any more: its token is of no use. */
  | { readonly kind: 'unregistered' }
  /** It does not take this push. `reason` holds codes and field names, no text and no token. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** No provider is configured: nothing was sent. */
  | { readonly kind: 'logged' };

/** A service that brings pushes to devices. A push may reach its device twice, when an answer was lost; it then replaces itself there. */
export abstract class PushPort {
  /** @throws DependencyError when the provider is away, too slow, over its quota, or does not let us in. */
  abstract send(push: Push): Promise<PushOutcome>;
}
