import type { ConsumerState } from '#lib/contracts/control';
import { answerSiblings } from '#lib/runtime/workers/sibling-workers';

/** A consumer that says how it is. */
export interface ReportingConsumer {
  report(): ConsumerState;
}

const running = new Set<ReportingConsumer>();

/** From now on operators who ask this process see this consumer. @returns a function that ends it. */
export const reportConsumer = (consumer: ReportingConsumer): (() => void) => {
  running.add(consumer);
  answerSiblings('consumers', () => [...running].map((each) => each.report()));
  return () => running.delete(consumer);
};
