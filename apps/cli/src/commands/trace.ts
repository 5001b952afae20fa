import { parleyHome } from '#lib/devstack/home/home';
import { refuseForeignHome } from '#lib/devstack/home/home-owner';
import { Explained } from '#lib/devstack/terminal/explain';
import { printJson } from '../output/print-json.js';
import { findPath } from '../trace/find-path.js';
import { renderPath } from '../trace/render-path.js';

/** As long as the ids that the gateway takes over. */
const ID = /^[\w.:-]{1,128}$/;

/** `parley trace <id>`: the way of one message with its times, after the fact, from logs and tables; with its spans where there are any. */
export async function showTrace(id: string, { json = false }: { readonly json?: boolean }): Promise<void> {
  if (!ID.test(id)) throw new Explained(`${JSON.stringify(id.slice(0, 40))} is no id of a request, a message or a trace`, 2);
  const home = parleyHome();
  refuseForeignHome(home, 'look');
  const path = await findPath(home, id);
  if (json) printJson(path);
  else console.log(renderPath(path));
}
