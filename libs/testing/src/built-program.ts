import { join } from 'node:path';
import { projectRoot } from '#lib/devstack/project-root';

/** What `npm run <verb>` runs, without its look for what to install and to build: `npm test` has done that. */
export const builtProgram = (verb: string): string =>
  join(projectRoot, 'dist', verb === 'parley' ? 'apps/cli/src/main.js' : `scripts/${verb}.js`);
