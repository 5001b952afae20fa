import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { notFound } from '#lib/devstack/home/running-stack';
import { possibleServices, STANDALONE } from '#lib/devstack/services';
import { Explained } from '#lib/devstack/terminal/explain';

/** A line of one service's log, with what it is sorted by. */
export interface Line {
  readonly service: string;
  readonly text: string;
  readonly time: string;
}

/** Of one service for one id: a message has a dozen. */
export const MOST_LINES = 10_000;
const TIME = /^\{.*?"time":"([^"]+)"/;

/** The services that have a log here, or this one. @throws Explained when there is none. */
export async function servicesWithLogs(folder: string, service?: string): Promise<string[]> {
  const there = (await readdir(folder).catch(() => []))
    .filter((file) => file.endsWith('.log'))
    .map((file) => file.slice(0, -'.log'.length));
  if (there.length === 0) throw new Explained(notFound());
  if (service === undefined) return there.filter((name) => name === STANDALONE || possibleServices.some((each) => each.name === name));
  if (there.includes(service)) return [service];
  throw new Explained(`there is no log of ${service}; there are: ${there.sort().join(', ')}`, 2);
}

/** The last so many of those that name one of these ids, oldest first. Without ids the newest file is enough. */
export async function linesOf(
  folder: string,
  service: string,
  { wanted, atMost }: { readonly wanted: readonly string[] | undefined; readonly atMost: number },
): Promise<Line[]> {
  const files = wanted === undefined ? [`${service}.log`] : [`${service}.log.2`, `${service}.log.1`, `${service}.log`];
  const found: Line[] = [];
  let time = '';
  for (const file of files) {
    if ((await stat(join(folder, file)).catch(() => undefined)) === undefined) continue;
    for await (const text of createInterface({ input: createReadStream(join(folder, file)), crlfDelay: Infinity })) {
      // A line without a time, such as a stack, belongs to the one before it.
      time = TIME.exec(text)?.[1] ?? time;
      if (text === '' || (wanted !== undefined && !names(text, wanted))) continue;
      found.push({ service, text, time });
      if (found.length > 2 * atMost) found.splice(0, atMost);
    }
  }
  return found;
}

/** Whether a line names one of these ids: as a value of its own, or as the trace of a `traceparent`. */
export function names(text: string, ids: readonly string[]): boolean {
  return ids.some((id) => text.includes(`"${id}"`) || text.includes(`"00-${id}-`));
}

/** By their times. */
export function inOrder(lines: readonly Line[]): Line[] {
  return lines.toSorted((one, other) => (one.time < other.time ? -1 : one.time > other.time ? 1 : 0));
}
