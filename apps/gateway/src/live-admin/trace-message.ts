import { Injectable } from '@nestjs/common';
import type { MessageTrace, TraceStep } from '#lib/contracts/admin-live';
import { pipeline } from '#lib/contracts/pipeline';
import { ProblemError } from '#lib/contracts/problems';
import { MessageTracesPort } from '#lib/database/traces/message-traces.port';
import { inOrderOfTime, type Step } from '#lib/database/traces/step';

const MOST = { steps: 1_000, missing: 100, depth: 50 } as const;
/** Log lines and spans are on the machine that keeps them, not behind this port. */
const ELSEWHERE = 'requests and calls between services: log lines and spans show them (npm run parley -- trace)';

/** Finds the way of a message, or of an event, in what the store has of it. */
@Injectable()
export class TraceMessage {
  constructor(private readonly traces: MessageTracesPort) {}

  /** @param id of a message or an event. @throws ProblemError `not-found` when no table names it. @throws DependencyError. */
  async execute(id: string): Promise<MessageTrace> {
    const { steps, missing, messageIds } = await this.traces.stepsOf({ messageIds: [id], eventIds: [id] });
    if (steps.length === 0) throw new ProblemError('not-found', 'No table names this id. Of requests and traces only logs and spans tell.');
    return {
      id,
      traceIds: [],
      requestIds: [],
      messageIds: [...messageIds],
      steps: flat(inOrderOfTime(steps), 0).slice(0, MOST.steps),
      missing: [...missing.slice(0, MOST.missing - 1), ELSEWHERE],
    };
  }
}

/** A tree as lines, each followed by what it led to. */
function flat(steps: readonly Step[], depth: number): TraceStep[] {
  return steps.flatMap((step) => [viewOf(step, depth), ...flat(step.children, Math.min(depth + 1, MOST.depth))]);
}

/** A row that a consumer wrote is that consumer's step, by way of its queue. */
function viewOf({ who, what, at, durationMs, outcome, isFailed, queue }: Step, depth: number): TraceStep {
  const row = Object.entries(pipeline).find(([name]) => name === queue)?.[1];
  return {
    depth,
    who: row?.app ?? who,
    what: (queue === undefined ? what : `${queue}: ${what}`).slice(0, 500),
    at: new Date(at).toISOString(),
    durationMs: durationMs ?? null,
    outcome: outcome.slice(0, 200),
    isFailed,
  };
}
