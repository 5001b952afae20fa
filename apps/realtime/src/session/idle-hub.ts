import { Injectable } from '@nestjs/common';
import type { LiveHub } from './live-session.js';

/** No live conversations: a session of its own stays silent. */
@Injectable()
export class IdleHub implements LiveHub {
  join(): Promise<void> {
    return Promise.resolve();
  }
  resume(): void {}
  typing(): void {}
  headsFor(): undefined {
    return undefined;
  }
  leave(): void {}
}
