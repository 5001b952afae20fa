import type { PresenceList } from '#lib/contracts/http';
import type { Api } from '../../shared/api.js';
import { Coalesced } from '../../shared/coalesced.js';
import { storeOf } from '../../shared/store.js';

/** Users that are asked for at once. */
const MOST_USERS = 100;
const ASK_AFTER_MS = 100;

/** Who of the members of the newest conversations is online: asked for when there are new ones, and told by frames from then on. */
export class Presence {
  readonly online = storeOf<ReadonlySet<string>>(new Set());
  private readonly asking = new Coalesced(ASK_AFTER_MS, () => void this.read());
  /** For each answer on its way: whom frames have told of meanwhile, which is newer. */
  private readonly underWay = new Set<Set<string>>();

  /** @param members of the newest conversations. */
  constructor(
    private readonly api: Api,
    private readonly members: () => readonly string[],
  ) {}

  ask(): void {
    this.asking.ask();
  }

  heard(userId: string, isOnline: boolean): void {
    for (const told of this.underWay) told.add(userId);
    const now = new Set(this.online.get());
    if (isOnline) now.add(userId);
    else now.delete(userId);
    this.online.set(now);
  }

  private async read(): Promise<void> {
    const asked = this.members().slice(0, MOST_USERS);
    if (asked.length === 0) return;
    const told = new Set<string>();
    this.underWay.add(told);
    const answer = await this.api
      .ask<PresenceList>(`./v1/presence?userIds=${asked.map(encodeURIComponent).join(',')}`)
      .catch(() => undefined);
    this.underWay.delete(told);
    if (answer === undefined) return;
    const now = new Set(this.online.get());
    for (const { userId, online } of answer.items) {
      if (told.has(userId)) continue;
      if (online) now.add(userId);
      else now.delete(userId);
    }
    this.online.set(now);
  }

  end(): void {
    this.asking.end();
  }
}
