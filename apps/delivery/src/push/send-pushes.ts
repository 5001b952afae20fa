import { Postpone, SomeFailed } from '#lib/bus/outcome';
import type { PushDue } from '#lib/contracts/events';
import type { PushProvider } from '#lib/contracts/push';
import { DependencyError } from '#lib/resilience/call/errors';
import { metrics } from '#lib/runtime/metrics/metrics';
import { MAX_AGE_MS, type PushOutcome, type PushPort } from './push.port.js';
import { PushStorePort, type PushState, type RegisteredDevice, type ShownMessage } from './push-store.port.js';
import { RecentlySent } from './recently-sent.js';
import { beginningOf } from './text-of-push.js';
import { ToldRefusals } from './told-refusals.js';

/** The adapter for each provider. */
export type PushProviders = Readonly<Record<PushProvider, PushPort>>;

/** How much a push shows, PUSH_CONTENT. */
export type PushContent = 'full' | 'none';

/** While a provider is away. The longest tier of the retry ladder is shorter: the push is looked at again after that. */
const AWAY_MS = 30_000;
/** Between two pushes to one device for one conversation; FCM allows an app 20 at once and then one in three minutes to each device. */
const PAUSE_MS = 8_000;
/** With 400 bytes of title and 1,000 of text a push stays below the 4,096 bytes that are taken, escaped too. */
const TITLE_BYTES = 400;
const BODY_BYTES = 1_000;

/** The provider does not take a push. */
class PushRefused extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'PushRefused';
  }
}

/** What is left to be done once everything that Postgres knows is looked at. */
interface Decided {
  readonly device: RegisteredDevice;
  readonly shown: ShownMessage;
}

/**
 * Sends the pushes that are due. Device, text and membership are those of the moment of sending:
 *
 *     due -> newest per device and conversation -> read -> [still of use?] -> [paused?] -> send
 *              superseded                                    cancelled         later       sent | unregistered | refused | away: later
 *
 * A push shows the newest message that there is to show, so the pushes of a burst become one, and those that come later are superseded by it.
 */
export class SendPushes {
  private readonly sent = new RecentlySent();
  private readonly toldRefusals = new ToldRefusals();

  constructor(
    private readonly store: PushStorePort,
    private readonly providers: PushProviders,
    private readonly content: PushContent,
  ) {}

  /**
   * @throws SomeFailed with a Postpone for each push whose provider is away, and the reason for each that is refused; DependencyError when
   * Postgres is out. Nothing is sent twice for the sake of another push.
   */
  async handle(events: readonly PushDue[]): Promise<void> {
    const newest = newestPerDevice(events);
    const states = await this.store.statesOf(newest.map(({ data }) => data));
    const errors = new Map<string, unknown>();
    const sendOne = async (event: PushDue, state: PushState | undefined) => {
      try {
        if (state !== undefined) await this.execute(event, state);
      } catch (error) {
        errors.set(event.eventId, error);
      }
    };
    await Promise.all(newest.map((event, i) => sendOne(event, states[i])));
    if (errors.size > 0) throw new SomeFailed(errors);
  }

  private async execute(event: PushDue, state: PushState): Promise<void> {
    const { userId, deviceId, conversationId } = event.data;
    const count = (outcome: Outcome) => metrics.pushes.inc({ provider: state.device?.provider ?? 'unknown', outcome });
    const decided = decide(event, state);
    if (typeof decided === 'string') return count(decided);
    const { device, shown } = decided;
    const key = `${userId} ${deviceId} ${conversationId}`;
    const last = this.sent.of(key);
    if (last !== undefined && last.seq >= shown.seq) return count('superseded');
    if (last !== undefined && performance.now() - last.at < PAUSE_MS) {
      count('paused');
      throw new Postpone(PAUSE_MS, 'the device got a push of this conversation a moment ago');
    }
    const takeBack = this.sent.note(key, shown.seq);
    const outcome = await this.send(device, shown, event, state).catch((error: unknown) => {
      takeBack();
      if (!(error instanceof DependencyError)) throw error;
      count('away');
      throw new Postpone(AWAY_MS, error.message);
    });
    if (outcome.kind !== 'sent') takeBack();
    count(outcome.kind);
    if (outcome.kind === 'unregistered') await this.store.removeDevice(userId, deviceId, device);
    if (outcome.kind === 'refused' && this.toldRefusals.isToBeTold(userId, event.eventId)) throw new PushRefused(outcome.reason);
  }

  private send({ provider, token }: RegisteredDevice, shown: ShownMessage, { data }: PushDue, { title }: PushState): Promise<PushOutcome> {
    const { conversationId } = data;
    const { messageId, seq } = shown;
    return this.providers[provider].send({
      token,
      ...this.textOf(shown, title),
      conversationId,
      messageId,
      seq,
      ttlSeconds: MAX_AGE_MS / 1_000,
    });
  }

  private textOf({ senderId, beginning }: ShownMessage, title: string | null) {
    if (this.content === 'none') return { title: undefined, body: 'New message' };
    return { title: beginningOf(title ?? senderId, { bytes: TITLE_BYTES }), body: beginningOf(beginning, { bytes: BODY_BYTES }) };
  }
}

/** Label `outcome` of `push_total`. */
type Outcome = PushOutcome['kind'] | Cancelled | 'paused' | 'away';
type Cancelled = 'expired' | 'no-device' | 'no-member' | 'read' | 'deleted' | 'superseded';

function decide({ occurredAt, data }: PushDue, { device, readSeq, shown }: PushState): Cancelled | Decided {
  if (Date.now() - Date.parse(occurredAt) > MAX_AGE_MS) return 'expired';
  if (device === undefined) return 'no-device';
  if (readSeq === undefined) return 'no-member';
  if (readSeq >= data.seq) return 'read';
  if (shown === undefined) return 'deleted';
  return { device, shown };
}

/** The event with the highest `seq` of each device and conversation. */
function newestPerDevice(events: readonly PushDue[]): PushDue[] {
  const groups = Map.groupBy(events, ({ data }) => `${data.userId} ${data.deviceId} ${data.conversationId}`);
  const newest = [...groups.values()].map((group) => group.reduce((one, other) => (other.data.seq > one.data.seq ? other : one)));
  metrics.pushes.inc({ provider: 'unknown', outcome: 'superseded' }, events.length - newest.length);
  return newest;
}
