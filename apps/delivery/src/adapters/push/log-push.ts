import type { PushProvider } from '#lib/contracts/push';
import type { Logger } from '#lib/runtime/log/logger';
import { type PushOutcome, PushPort } from '../../push/push.port.js';

/** Stands in for a provider that is not configured: sends nothing, and says so once. */
export class LogPush extends PushPort {
  private hasSpoken = false;

  constructor(
    private readonly provider: PushProvider,
    private readonly setting: string,
    private readonly logger: Logger,
  ) {
    super();
  }

  async send(): Promise<PushOutcome> {
    if (!this.hasSpoken)
      this.logger.warn({ provider: this.provider }, `no push is sent to devices of ${this.provider}: ${this.setting} is not set`);
    this.hasSpoken = true;
    return { kind: 'logged' };
  }
}
