import { readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ComposeProject, composeProjectOf } from '#lib/devstack/provisioning/docker-engine';
import { reachableFolder, unprivilegedUser } from '#lib/devstack/process/unprivileged-user';
import { commandFor } from '#lib/devstack/installation';
import { Explained } from '#lib/devstack/terminal/explain';
import { parleyHome } from '#lib/devstack/home/home';
import { refuseForeignHome } from '#lib/devstack/home/home-owner';
import { readState } from '#lib/devstack/home/state';
import { stopEmbedded } from '#lib/devstack/embedded/stop-embedded';
import { stopStack } from '#lib/devstack/supervisor/stop-stack';
import { confirm } from '../operator/confirm.js';

/** All that `npm start` puts into a home; what has a suffix was about to get its name when its process was killed. */
const OURS = /^(data|embedded|logs|traces|run|objects|secrets\.json(\.new)?|state\.json(\.\d+)?|supervisor\.lock(\.[\da-f-]+)?)$/;

/** `parley reset`: stops the Parley of this home and removes its data, secrets and logs; the next start begins from nothing. */
export async function reset({ yes = false, json = false }: { yes?: boolean; json?: boolean }): Promise<void> {
  const home = parleyHome();
  refuseForeignHome(home, 'start');
  const entries = await readdir(home.folder).catch(() => undefined);
  if (entries === undefined) return say(json, { removed: [] }, 'there is nothing to remove: no Parley was started here');
  const foreign = entries.filter((name) => !OURS.test(name));
  if (foreign.length > 0) {
    throw new Explained(
      `${home.folder} holds what is not Parley's (${foreign.slice(0, 3).join(', ')}): is PARLEY_HOME right? Nothing was removed`,
    );
  }
  if (!yes) await confirm(`stops Parley and removes all its data, secrets and logs in ${home.folder} for good`);
  const isContained = (await readState(home))?.state.dependencies.some(({ origin }) => origin === 'docker') === true;
  const tell = (line: string) => void process.stderr.write(`${line}\n`);
  await stopEmbedded(home, tell);
  await stopStack(home, tell);
  if (isContained) await new ComposeProject(composeProjectOf(home.folder), {}).down({ withData: true });
  const user = await unprivilegedUser();
  const postgres = [join(home.dependencies, 'postgres'), home.embedded].map((folder) => reachableFolder(folder, user));
  const removed = [...postgres, ...entries.map((name) => join(home.folder, name))];
  for (const path of removed) await rm(path, { recursive: true, force: true });
  await rmdir(home.folder).catch(() => undefined);
  say(json, { removed }, `removed ${home.folder}: the next \`${commandFor('start')}\` begins from nothing`);
}

function say(json: boolean, outcome: object, text: string): void {
  process.stdout.write(`${json ? JSON.stringify(outcome) : text}\n`);
}
