import type { ProcessAnswer } from '#lib/bus/control/control-channel.port';
import type { LiveWork } from '#lib/contracts/admin-live';
import type { ProcessState } from '#lib/contracts/control';
import type { SectionContent } from './section-source.js';

const MOST_LISTED = 50;
/** An event's work names its queue and the size of the batch: `delivery.messages x 12`. */
const BATCH_SIZE = / x \d+$/;

type Work = ProcessState['work']['items'][number];

/** What all processes have in hand, added up by route and queue. */
export function workInHand(processes: readonly ProcessAnswer<ProcessState | null>[]): SectionContent<'requests'> {
  const groups = new Map<string, LiveWork>();
  let inFlight = 0;
  for (const each of processes) {
    if (each.silent || each.answer === null) continue;
    inFlight += each.answer.work.count;
    for (const work of each.answer.work.items) add(groups, each.app, work);
  }
  return {
    inFlight,
    items: [...groups.values()].toSorted((one, other) => other.oldestMs - one.oldestMs).slice(0, MOST_LISTED),
    silent: processes.flatMap(({ silent, app, host, pid }) => (silent ? [{ app, host, pid }] : [])).slice(0, MOST_LISTED),
  };
}

function add(groups: Map<string, LiveWork>, service: string, { kind, what: full, ageMs, isOverdue, waitingFor }: Work): void {
  const what = full.replace(BATCH_SIZE, '');
  const key = JSON.stringify([service, kind, what]);
  const known = groups.get(key);
  const isOldest = known === undefined || ageMs > known.oldestMs;
  const [first] = waitingFor;
  groups.set(key, {
    service,
    kind,
    what,
    count: (known?.count ?? 0) + 1,
    oldestMs: isOldest ? Math.round(ageMs) : known.oldestMs,
    overdue: (known?.overdue ?? 0) + Number(isOverdue),
    waitingFor: isOldest ? (first === undefined ? null : `${first.dependency} ${first.operation}`) : known.waitingFor,
  });
}
