import { runningStack } from '#lib/devstack/home/running-stack';
import { Explained } from '#lib/devstack/terminal/explain';
import type { RealtimePlace } from './live-user.js';

/** The realtime processes that `npm start` runs here, or those that were named. @throws Explained when there is none. */
export async function realtimePlaces(url?: string, named?: readonly string[]): Promise<RealtimePlace[]> {
  const wrong = named?.find((each) => !URL.canParse(each));
  if (wrong !== undefined) throw new Explained(`--realtime ${wrong} is not a URL: for example ws://localhost:8081`, 2);
  if (named !== undefined) return named.map((each) => ({ name: new URL(each).host, url: each }));
  if (url !== undefined) throw new Explained('--url needs --realtime: the sockets are served by processes of their own', 2);
  const services = (await runningStack())?.services.filter(({ app }) => app === 'realtime') ?? [];
  if (services.length === 0) throw new Explained('this Parley has no realtime process: `npm run status` shows what runs.');
  return services.map(({ name, url }) => ({ name, url }));
}
