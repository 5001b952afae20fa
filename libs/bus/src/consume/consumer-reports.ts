import type { ConsumerState } from '#lib/contracts/control';
import { answerSiblings } from '#lib/runtime/workers/sibling-workers';

/** A consumer that reports its state. */
export interface ReportingConsumer {
  report(): ConsumerState;
}

const running = new Set<ReportingConsumer>();

/** Adds a consumer to what this process answers to operators. @returns a function that removes it. */
export const reportConsumer = (consumer: ReportingConsumer): (() => void) => {
  running.add(consumer);
  answerSiblings('consumers', () => [...running].map((each) => each.report()));
  return () => running.delete(consumer);
};
