import { Injectable } from '@nestjs/common';
import type { MessageEvent } from '#lib/contracts/events';
import { metrics } from '#lib/runtime/metrics/metrics';
import { TimeSlices } from '#lib/runtime/work/time-slices';
import { type MessageSignal, MessageSignalsPort } from '#lib/scores/signals/message-signals.port';
import { signalsOf } from '#lib/scores/signals/signals-of';
import { type CurrentMessage, CurrentMessagesPort } from './current-messages.port.js';

/**
 * Records what the current version of each message says. An event only names the message; its text comes from Postgres, so a forged, replayed or
 * late event changes nothing. The row of a newer version stands: any number of processes may do this in any order.
 *
 *     read messages (one statement) -> signals of each text -> record (one statement)
 */
@Injectable()
export class ScoreMessages {
  constructor(
    private readonly messages: CurrentMessagesPort,
    private readonly signals: MessageSignalsPort,
  ) {}

  /** @throws DependencyError when Postgres is out: nothing is lost, the batch comes again. */
  async handle(events: readonly MessageEvent[]): Promise<void> {
    const current = await this.messages.of([...new Set(events.map(({ data }) => data.messageId))]);
    for (const { type, data } of events) if (!current.has(data.messageId)) metrics.scoringIgnored.inc({ type });
    const rows: MessageSignal[] = [];
    const slices = new TimeSlices();
    for (const message of current.values()) {
      rows.push(signalOf(message));
      if (slices.isOver) await slices.next();
    }
    await this.signals.record(rows);
  }
}

const signalOf = ({ content, ...facts }: CurrentMessage): MessageSignal => {
  if (content === null) return { ...facts, state: 'removed', signals: undefined };
  const { language, questions, emotion, length } = signalsOf(content);
  return { ...facts, state: 'scored', signals: { language, isQuestion: questions > 0, emotion, length } };
};
