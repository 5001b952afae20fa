import type { Notice } from './notice.js';

/** The channel asks for a pause: nothing is wrong with the notice. */
export class ChannelBusy extends Error {
  /** @param retryAfterMs undefined = it did not say for how long. */
  constructor(readonly retryAfterMs: number | undefined) {
    super('the channel asks for a pause');
    this.name = 'ChannelBusy';
  }
}

/** A place where operators read notices. */
export abstract class AlertChannelPort {
  /** As in logs: never the URL. */
  abstract readonly name: string;

  /** Resolves when it was taken, within seconds. @throws ChannelBusy, or any error when it was not taken; no error holds the URL. */
  abstract send(notice: Notice): Promise<void>;

  /** Closes its connections. */
  close(): void {}
}
