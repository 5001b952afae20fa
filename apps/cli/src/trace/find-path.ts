import { pipeline } from '#lib/contracts/pipeline';
import type { Home } from '#lib/devstack/home/home';
import { Explained } from '#lib/devstack/terminal/explain';
import { inOrder, linesOf, MOST_LINES, servicesWithLogs } from '../operator/service-logs.js';
import { withLane } from '../operator/with-lane.js';
import { type Entry, entriesIn, idsIn, isEvent, isRequest, stepsOfLogs } from './steps-of-logs.js';
import { spansOf, stepsOfSpans } from './steps-of-spans.js';
import { stepsOfTables } from '#lib/database/traces/adapters/steps-of-tables';
import type { Rows } from '#lib/database/traces/message-traces.port';
import { inOrderOfTime, type Path, type Step } from '#lib/database/traces/step';

/** A path and what is said about its subject above it. */
export interface FoundPath extends Path {
  readonly about: readonly string[];
}

const TRACE_ID = /^[0-9a-f]{32}$/;

/**
 * Finds the way of a message by the id of its request, of itself or of its trace: in the logs of the services, in the tables, and in the spans
 * that `npm start -- --trace` has kept. Nothing of it needs a collector. @throws Explained when nothing names the id.
 */
export async function findPath(home: Home, id: string): Promise<FoundPath> {
  const missing: string[] = [];
  const entries = await entriesOf(home, id, missing);
  const ids = idsIn(entries);
  const traceIds = [...new Set([...(TRACE_ID.test(id) ? [id] : []), ...ids.traceIds])];
  const messageIds = [...new Set([id, ...ids.messageIds])];
  const rows = await rowsOf({ messageIds, eventIds: [id, ...ids.eventIds] }, missing);
  const spans = await spansOf(home.traces, traceIds);
  const found = spans.length > 0 ? stepsOfSpans(spans, traceIds) : stepsOfLogs(entries);
  const steps = inOrderOfTime([...found, ...afterTheirRequest(rows.steps, found)]);
  if (steps.length === 0) throw new Explained(`nothing here names ${id}: neither the logs in ${home.logs}, nor a table`);
  // That the id is no message says nothing: it may be that of a request or an event.
  const gone = [...ids.messageIds].filter((messageId) => !rows.messageIds.includes(messageId.toLowerCase()));
  missing.push(...gone.map((messageId) => `Postgres has no message ${messageId}`), ...rows.missing, ...missingOf(entries));
  if (spans.length === 0) missing.push('calls to dependencies and sockets: only spans show them (npm start -- --trace)');
  return { traceIds, requestIds: [...ids.requestIds], messageIds: [...ids.messageIds], steps, missing, about: rows.about };
}

/** Times are whole milliseconds, rounded by two servers: what a request has stored may seem to be older than the request by so many. */
const ROUNDED_MS = 5;

const afterTheirRequest = (rows: readonly Step[], found: readonly Step[]): Step[] => {
  const begunAt = Math.min(...found.map(({ at }) => at));
  return rows.map((step) => (step.at < begunAt && step.at >= begunAt - ROUNDED_MS ? { ...step, at: begunAt } : step));
};

/** Lines that name the id, then those that name the requests and traces of these. */
async function entriesOf(home: Home, id: string, missing: string[]): Promise<Entry[]> {
  const services = await servicesWithLogs(home.logs).catch((error: unknown) => {
    if (!(error instanceof Explained)) throw error;
    missing.push(`logs: there are none in ${home.logs}`);
    return [];
  });
  const naming = async (wanted: readonly string[]) =>
    entriesIn(inOrder((await Promise.all(services.map((name) => linesOf(home.logs, name, { wanted, atMost: MOST_LINES })))).flat()));
  const first = await naming([id]);
  // Reads of a message name it too, and are not its way.
  const own = first.filter((entry) => !(isRequest(entry) && entry.method === 'GET' && entry.messageId === id));
  const { requestIds, traceIds } = idsIn(own);
  if (requestIds.size + traceIds.size === 0) return own;
  return naming([...requestIds, ...traceIds]);
}

async function rowsOf(ids: Parameters<typeof stepsOfTables>[1], missing: string[]): Promise<Rows> {
  try {
    return await withLane('reads', (lanes) => stepsOfTables(lanes.lane('reads'), ids));
  } catch (error) {
    if (!(error instanceof Explained)) throw error;
    missing.push(`tables: ${error.message.split('\n')[0]}`);
    return { steps: [], missing: [], messageIds: [...ids.messageIds], about: [] };
  }
}

/** What the pipeline promises of an event that was published, and no line tells. */
function missingOf(entries: readonly Entry[]): string[] {
  const request = entries.find(isRequest);
  const isSend = request?.messageId !== undefined && (request.message === 'send' || request.method === 'POST');
  if (entries.length === 0) return ['logs: no line names it; files are kept up to 60 MB for each service'];
  const missing = request === undefined ? ['the request: no line names it'] : [];
  if (!isSend) return missing;
  const done = new Set(
    entries.filter((entry) => isEvent(entry) && entry.outcome === 'done' && entry.event === 'message.created').map(({ queue }) => queue),
  );
  const hearing = Object.entries(pipeline).filter(([, { hears }]) => hears.some((type) => type === 'message.created'));
  return [
    ...missing,
    ...hearing.filter(([name]) => !done.has(name)).map(([name]) => `${name}: no line says that it has handled the message`),
  ];
}
