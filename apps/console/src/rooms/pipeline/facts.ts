import type { AdminPicture, FlowNode } from '#lib/contracts/admin-live';
import type { useMessages } from '../../i18n/messages.js';
import type { Formats } from '../../shared/formats-of.js';
import type { pipelineMessages } from './messages.js';
import { known, type NodeState } from './node-state.js';

type Words = ReturnType<typeof useMessages<(typeof pipelineMessages)['en']>>;

/** What the box of a node says below its name, and all that is known of it for its description and the table. */
export interface Facts {
  /** Short enough for the box; the newest first in importance. */
  readonly lines: readonly string[];
  readonly all: readonly string[];
}

/** Of what lasts long: tenths of a second would only flicker. */
const wholeSeconds = (ms: number): number => (ms < 10_000 ? Math.max(0, ms) : Math.round(ms / 1_000) * 1_000);

const sumOf = (values: readonly (number | null)[]): number | undefined => {
  const numbers = values.filter((value) => value !== null);
  return numbers.length === 0 ? undefined : numbers.reduce((sum, value) => sum + value, 0);
};

/** The figures of a node in words. */
export function factsOf(
  node: FlowNode,
  { state, since, queue, processes, dependency }: NodeState,
  picture: Partial<AdminPicture>,
  words: Words,
  formats: Formats,
  now: number,
): Facts {
  const name = words.states[state];
  const sinceAt = since === undefined ? [] : [words.sinceAt(formats.seconds(since), formats.ago(since, now))];
  const after = since === undefined ? name : `${name} ${formats.duration(wholeSeconds(now - Date.parse(since)))}`;
  const rate = (perSecond: number | null | undefined) => (perSecond == null ? undefined : formats.rate(perSecond));
  switch (node.kind) {
    case 'queue': {
      if (node.queue === undefined) return { lines: [words.requestQueue], all: [words.requestQueue] };
      if (queue === undefined) return { lines: [name], all: [name] };
      const { ready, unacked, consumers, oldestAgeSeconds, publishedPerSecond, handledPerSecond } = queue;
      const waiting = ready === null ? [] : [words.waitingCount(formats.number(ready))];
      const out = rate(handledPerSecond);
      const into = rate(publishedPerSecond);
      const age =
        oldestAgeSeconds === null || oldestAgeSeconds === 0 ? [] : [words.oldest(formats.duration(wholeSeconds(oldestAgeSeconds * 1_000)))];
      const head = state === 'running' ? (out === undefined ? name : words.perSecond(out)) : state === 'behind' ? (age[0] ?? name) : after;
      const isShort = state === 'idle' || (state === 'running' && ready === 0);
      return {
        lines: [[head, ...(isShort ? [] : waiting)].join(' · ')],
        all: [
          name,
          ...sinceAt,
          ...waiting,
          ...(unacked === null ? [] : [words.inHand(formats.number(unacked))]),
          ...age,
          ...(into === undefined ? [] : [words.inPerSecond(into)]),
          ...(out === undefined ? [] : [words.outPerSecond(out)]),
          ...(consumers === null ? [] : [consumers === 1 ? words.consumer : words.consumers(formats.number(consumers))]),
        ],
      };
    }
    case 'dead-letters': {
      const count = queue?.deadLetters ?? null;
      if (count === null) return { lines: ['?'], all: [name] };
      return { lines: [formats.number(count)], all: [count === 1 ? words.letter : words.letters(formats.number(count))] };
    }
    case 'retry':
      return { lines: [], all: [] };
    case 'app': {
      if (processes === undefined) return { lines: [name], all: [name] };
      const ready = formats.number(processes.filter((each) => each.ready).length);
      const all = formats.number(processes.length);
      const memory = sumOf(processes.map(({ memoryBytes }) => memoryBytes));
      const lag = processes.map(({ loopLagMs }) => loopLagMs).filter((value) => value !== null);
      const isCalm = state === 'running';
      const more = [
        ...(memory === undefined ? [] : [formats.bytes(memory)]),
        ...(lag.length === 0 ? [] : [words.lag(formats.duration(Math.max(...lag)))]),
      ];
      return {
        lines: [isCalm ? words.processesShort(ready, all) : `${name} · ${words.processesShort(ready, all)}`, ...more],
        all: [name, ...sinceAt, words.ofProcesses(ready, all), ...more],
      };
    }
    case 'store': {
      const latency =
        dependency === undefined || state === 'notConfigured' || state === 'down' ? [] : [formats.duration(dependency.latencyMs)];
      const line = state === 'running' ? (latency[0] ?? name) : after;
      return {
        lines: [state === 'notConfigured' ? name : line],
        all: [name, ...sinceAt, ...latency.map(words.answersIn), ...(dependency?.detail === undefined ? [] : [dependency.detail])],
      };
    }
    case 'outbox': {
      const outbox = known(picture.outbox);
      if (outbox === undefined) return { lines: [name], all: [name] };
      const count = formats.number(outbox.pending);
      const waiting = words.waitingCount(outbox.isEstimate ? words.atLeast(count) : count);
      const age = outbox.oldestAgeSeconds === 0 ? [] : [words.oldest(formats.duration(outbox.oldestAgeSeconds * 1_000))];
      const aside = outbox.parked === 0 ? [] : [words.setAside(formats.number(outbox.parked))];
      return { lines: [waiting, ...age, ...aside], all: [name, waiting, ...age, ...aside] };
    }
    case 'exchange': {
      const queues = known(picture.queues)?.items ?? [];
      const published = sumOf(queues.map(({ publishedPerSecond }) => publishedPerSecond));
      const line = published === undefined ? [] : [words.outPerSecond(formats.rate(published))];
      const detail = dependency?.detail === undefined ? [] : [dependency.detail];
      return { lines: state === 'running' ? line : [after, ...line], all: [name, ...sinceAt, ...line, ...detail] };
    }
    case 'client': {
      return { lines: [], all: [] };
    }
    default:
      return node.kind satisfies never;
  }
}
