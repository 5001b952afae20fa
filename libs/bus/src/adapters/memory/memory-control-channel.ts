import { hostname } from 'node:os';
import type { ControlAnswer, ControlQuestion } from '#lib/contracts/control';
import { askSiblings } from '#lib/runtime/workers/sibling-workers';
import { combined, siblingAnswers } from '../../control/control-answers.js';
import { type ControlAnswers, ControlChannelPort } from '../../control/control-channel.port.js';

/** The control channel beside the memory bus: everything runs in this process and in those behind the same port. */
export class MemoryControlChannel extends ControlChannelPort {
  /** @param siblings how they are asked; tests bring their own. */
  constructor(
    private readonly app: string,
    private readonly siblings: typeof askSiblings = askSiblings,
  ) {
    super();
  }

  override async ask<Q extends ControlQuestion>(question: Q): Promise<ControlAnswers<ControlAnswer<Q>>> {
    const near = await siblingAnswers(this.siblings, question, { app: this.app, host: hostname(), pid: process.pid });
    return combined(near, { processes: [], others: 'asked' }) as ControlAnswers<ControlAnswer<Q>>;
  }
}
