import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parleyHome } from '#lib/devstack/home/home';
import { refuseForeignHome } from '#lib/devstack/home/home-owner';
import { readableLine } from '#lib/devstack/terminal/log-line';
import { runningStack } from '#lib/devstack/home/running-stack';
import { FollowedLog } from '../operator/followed-log.js';
import { inOrder, type Line, linesOf, MOST_LINES, names, servicesWithLogs } from '../operator/service-logs.js';

interface Options {
  readonly request?: string;
  readonly lines: number;
  readonly follow?: boolean;
  readonly json?: boolean;
}

const LOOK_EVERY_MS = 200;

/**
 * `parley logs [service]`: the last lines of all services in the order of their times, or of one; with an id only those that name it, from as
 * far back as the files go. They stay when Parley has stopped, which is when they are wanted most.
 */
export async function showLogs(service: string | undefined, { request, lines, follow = false, json = false }: Options): Promise<void> {
  const home = parleyHome();
  refuseForeignHome(home, 'look');
  const services = await servicesWithLogs(home.logs, service);
  if ((await runningStack()) === undefined) process.stderr.write('Parley is not running: these are lines of an earlier run\n');
  // Before the lines of now are read: none is missed in between.
  const followed = await Promise.all(services.map(async (name) => [name, await FollowedLog.at(join(home.logs, `${name}.log`))] as const));
  const found = await Promise.all(
    services.map((name) =>
      linesOf(home.logs, name, {
        wanted: request === undefined ? undefined : [request],
        atMost: request === undefined ? lines : MOST_LINES,
      }),
    ),
  );
  const sorted = inOrder(found.flat());
  for (const line of request === undefined ? sorted.slice(-lines) : sorted) print(line, json);
  if (follow) await followAll(new Map(followed), request, json);
}

async function followAll(logs: ReadonlyMap<string, FollowedLog>, wanted: string | undefined, json: boolean): Promise<never> {
  process.once('SIGINT', () => process.exit(0));
  for (;;) {
    await sleep(LOOK_EVERY_MS);
    for (const [service, log] of logs) {
      const shown = (await log.newLines()).filter((line) => wanted === undefined || names(line, [wanted]));
      for (const text of shown) print({ service, text, time: '' }, json);
    }
  }
}

function print({ service, text }: Line, json: boolean): void {
  if (!json) process.stdout.write(`${readableLine(service, text)}\n`);
  // One JSON object per line, whatever was written.
  else process.stdout.write(`${text.startsWith('{') ? text : JSON.stringify({ service, message: text })}\n`);
}
