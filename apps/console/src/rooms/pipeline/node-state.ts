import type { AdminPicture, FlowNode, LiveDependency, LiveQueue } from '#lib/contracts/admin-live';
import type { MeasuredProcess } from '#lib/contracts/measurements';

/** What an operator should make of it: nothing, look at it, act, or it is not known. */
export type Level = 'calm' | 'attention' | 'bad' | 'unknown';

/** The state of a node as a word of the field; messages.ts has it in every language. */
export type StateName =
  | 'running'
  | 'idle'
  | 'paused'
  | 'behind'
  | 'noConsumer'
  | 'unplanned'
  | 'empty'
  | 'letters'
  | 'someAway'
  | 'away'
  | 'degraded'
  | 'down'
  | 'notConfigured'
  | 'breakerOpen'
  | 'waiting'
  | 'setAside'
  | 'plain'
  | 'unknown';

/** A node with what the newest sections say of it. */
export interface NodeState {
  readonly level: Level;
  readonly state: StateName;
  /** Since when, where that is known. */
  readonly since?: string;
  readonly queue?: LiveQueue;
  readonly processes?: readonly MeasuredProcess[];
  readonly dependency?: LiveDependency;
}

/** The oldest message of a queue may wait so long in seconds before an operator should look; the alert `QueueOld` comes later. */
const BEHIND_SECONDS = 30;
/** An outbox row waits for one confirm, tens of milliseconds; the sweep of `ops` takes over after some seconds. */
const OUTBOX_SECONDS = 15;

/** The known form of a section; undefined while it has not come or its source does not answer. */
export const known = <Section extends { readonly state: string }>(
  section: Section | undefined,
): Extract<Section, { state: 'known' }> | undefined =>
  section?.state === 'known' ? (section as Extract<Section, { state: 'known' }>) : undefined;

const unknown: NodeState = { level: 'unknown', state: 'unknown' };

/** The state of one node; what no section tells is `unknown`, never calm. */
export function stateOf(node: FlowNode, picture: Partial<AdminPicture>): NodeState {
  switch (node.kind) {
    case 'queue':
      return node.queue === undefined ? { level: 'calm', state: 'plain' } : ofQueue(queueOf(node, picture));
    case 'dead-letters':
      return ofDeadLetters(queueOf(node, picture));
    case 'app':
      return ofApp(node, picture);
    case 'store':
    case 'exchange':
      return ofDependency(node, picture);
    case 'outbox':
      return ofOutbox(picture);
    case 'client':
    case 'retry':
      return { level: 'calm', state: 'plain', ...withQueue(queueOf(node, picture)) };
    default:
      return node.kind satisfies never;
  }
}

const queueOf = ({ queue }: FlowNode, { queues }: Partial<AdminPicture>): LiveQueue | undefined =>
  known(queues)?.items.find(({ name }) => name === queue);

const withQueue = (queue: LiveQueue | undefined) => (queue === undefined ? {} : { queue });

function ofQueue(queue: LiveQueue | undefined): NodeState {
  if (queue === undefined) return unknown;
  const { ready, paused, pausedSince, consumers, oldestAgeSeconds, unknown: isUnplanned, handledPerSecond } = queue;
  if (isUnplanned) return { level: 'attention', state: 'unplanned', queue };
  if (paused === true) return { level: 'attention', state: 'paused', queue, ...(pausedSince === null ? {} : { since: pausedSince }) };
  if (consumers === 0) return { level: 'bad', state: 'noConsumer', queue };
  if (ready === null && consumers === null) return { ...unknown, queue };
  if (oldestAgeSeconds !== null && oldestAgeSeconds >= BEHIND_SECONDS) return { level: 'attention', state: 'behind', queue };
  return { level: 'calm', state: (handledPerSecond ?? 0) > 0 || (ready ?? 0) > 0 ? 'running' : 'idle', queue };
}

function ofDeadLetters(queue: LiveQueue | undefined): NodeState {
  if (queue === undefined || queue.deadLetters === null) return { ...unknown, ...withQueue(queue) };
  return queue.deadLetters === 0 ? { level: 'calm', state: 'empty', queue } : { level: 'bad', state: 'letters', queue };
}

/** The process of the embedded mode: all apps in one. */
const ALL_APPS = 'standalone';

function ofApp({ service }: FlowNode, picture: Partial<AdminPicture>): NodeState {
  const processes = known(picture.processes)?.items.filter((process) => process.service === service || process.service === ALL_APPS) ?? [];
  if (processes.length === 0) return unknown;
  const away = processes.filter(({ ready }) => !ready);
  const since = away.map((process) => process.since).toSorted()[0];
  const more = { processes, ...(since === undefined ? {} : { since }) };
  if (away.length === processes.length) return { level: 'bad', state: 'away', ...more };
  return away.length > 0 ? { level: 'attention', state: 'someAway', ...more } : { level: 'calm', state: 'running', processes };
}

function ofDependency({ dependency: name }: FlowNode, picture: Partial<AdminPicture>): NodeState {
  const section = known(picture.dependencies);
  const dependency = section?.items.find((each) => each.name === name);
  const breaker = section?.breakers?.find((each) => each.dependency === name);
  if (dependency === undefined) return breaker === undefined ? unknown : { level: 'attention', state: 'breakerOpen', since: breaker.since };
  const more = { dependency, since: dependency.since };
  if (dependency.status === 'down') return { level: 'bad', state: 'down', ...more };
  if (dependency.status === 'degraded') return { level: 'attention', state: 'degraded', ...more };
  if (breaker !== undefined) return { level: 'attention', state: 'breakerOpen', dependency, since: breaker.since };
  if (dependency.status === 'not_configured') return { level: 'calm', state: 'notConfigured', ...more };
  return { level: 'calm', state: 'running', ...more };
}

function ofOutbox(picture: Partial<AdminPicture>): NodeState {
  const outbox = known(picture.outbox);
  if (outbox === undefined) return unknown;
  if (outbox.parked > 0) return { level: 'bad', state: 'setAside' };
  return outbox.oldestAgeSeconds >= OUTBOX_SECONDS ? { level: 'attention', state: 'waiting' } : { level: 'calm', state: 'running' };
}
