import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { answerSiblings } from '#lib/runtime/workers/sibling-workers';
import { ScrapeRounds } from '../scrape/scrape-rounds.js';
import { AdviseScaling } from './advise-scaling.js';
import { ConnectionLimitsPort } from './connection-limits.port.js';

/** Keeps the advice of this process up to date, and gives it to processes that ask over the control channel (ADR 21). */
@Injectable()
export class RunAdvice {
  private readonly advice: AdviseScaling;

  constructor(rounds: ScrapeRounds, postgres: ConnectionLimitsPort, @Inject(CONFIG) config: Config) {
    this.advice = new AdviseScaling(rounds, postgres, config);
    answerSiblings('scaling', () => this.advice.report());
  }

  /** Never rejects. */
  execute(): Promise<void> {
    return this.advice.execute();
  }
}
