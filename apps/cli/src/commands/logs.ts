import { createReadStream, type Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Explained } from '#lib/devstack/terminal/explain';
import { parleyHome } from '#lib/devstack/home/home';
import { refuseForeignHome } from '#lib/devstack/home/home-owner';
import { readableLine } from '#lib/devstack/terminal/log-line';
import { NOT_RUNNING, runningStack } from '#lib/devstack/home/running-stack';
import { possibleServices } from '#lib/devstack/services';

interface Options {
  readonly request?: string;
  readonly lines: number;
  readonly follow?: boolean;
  readonly json?: boolean;
}

/** A line of one service's log, with what it is sorted by. */
interface Line {
  readonly service: string;
  readonly text: string;
  readonly time: string;
}

const LOOK_EVERY_MS = 200;
/** Of one service for one id: a message has a dozen. */
const MOST_LINES = 10_000;
const TIME = /^\{.*?"time":"([^"]+)"/;

/**
 * `parley logs [service]`: the last lines of all services in the order of their times, or of one; with an id only those that name it, from as
 * far back as the files go. They stay when Parley has stopped, which is when they are wanted most.
 */
export async function showLogs(service: string | undefined, { request, lines, follow = false, json = false }: Options): Promise<void> {
  const home = parleyHome();
  refuseForeignHome(home, 'look');
  const names = await namesOf(home.logs, service);
  if ((await runningStack()) === undefined) process.stderr.write('Parley is not running: these are lines of an earlier run\n');
  const ends = new Map(await Promise.all(names.map(async (name) => [name, (await statOf(home.logs, name))?.size ?? 0] as const)));
  const found = await Promise.all(
    names.map((name) => linesOf(home.logs, name, { wanted: request, atMost: request === undefined ? lines : MOST_LINES })),
  );
  const sorted = found.flat().sort((one, other) => (one.time < other.time ? -1 : one.time > other.time ? 1 : 0));
  for (const line of request === undefined ? sorted.slice(-lines) : sorted) print(line, json);
  if (follow) await followAll(home.logs, ends, request, json);
}

async function namesOf(folder: string, service: string | undefined): Promise<string[]> {
  const there = (await readdir(folder).catch(() => []))
    .filter((file) => file.endsWith('.log'))
    .map((file) => file.slice(0, -'.log'.length));
  if (there.length === 0) throw new Explained(NOT_RUNNING);
  if (service === undefined) return there.filter((name) => possibleServices.some((each) => each.name === name));
  if (there.includes(service)) return [service];
  throw new Explained(`there is no log of ${service}; there are: ${there.sort().join(', ')}`, 2);
}

/** The last so many of those that are wanted, oldest first. Without an id the newest file is enough. */
async function linesOf(
  folder: string,
  service: string,
  { wanted, atMost }: { readonly wanted: string | undefined; readonly atMost: number },
): Promise<Line[]> {
  const files = wanted === undefined ? [`${service}.log`] : [`${service}.log.2`, `${service}.log.1`, `${service}.log`];
  const found: Line[] = [];
  let time = '';
  for (const file of files) {
    if ((await stat(join(folder, file)).catch(() => undefined)) === undefined) continue;
    for await (const text of createInterface({ input: createReadStream(join(folder, file)), crlfDelay: Infinity })) {
      // A line without a time, such as a stack, belongs to the one before it.
      time = TIME.exec(text)?.[1] ?? time;
      if (text === '' || !names(text, wanted)) continue;
      found.push({ service, text, time });
      if (found.length > 2 * atMost) found.splice(0, atMost);
    }
  }
  return found;
}

function names(text: string, id: string | undefined): boolean {
  return id === undefined || text.includes(`"${id}"`);
}

async function followAll(folder: string, ends: Map<string, number>, wanted: string | undefined, json: boolean): Promise<never> {
  process.once('SIGINT', () => process.exit(0));
  const rests = new Map<string, string>();
  for (;;) {
    await sleep(LOOK_EVERY_MS);
    for (const [service, end] of ends) {
      const size = (await statOf(folder, service))?.size ?? 0;
      if (size === end) continue;
      ends.set(service, size);
      let text = rests.get(service) ?? '';
      // A file that has become shorter is a new one: the old was set aside.
      const range = { start: size < end ? 0 : end, end: size - 1, encoding: 'utf8' as const };
      for await (const chunk of createReadStream(join(folder, `${service}.log`), range)) text += String(chunk);
      const lines = text.split('\n');
      rests.set(service, lines.pop() ?? '');
      for (const line of lines) if (line !== '' && names(line, wanted)) print({ service, text: line, time: '' }, json);
    }
  }
}

function statOf(folder: string, service: string): Promise<Stats | undefined> {
  return stat(join(folder, `${service}.log`)).catch(() => undefined);
}

function print({ service, text }: Line, json: boolean): void {
  if (!json) process.stdout.write(`${readableLine(service, text)}\n`);
  // One JSON object per line, whatever was written.
  else process.stdout.write(`${text.startsWith('{') ? text : JSON.stringify({ service, message: text })}\n`);
}
