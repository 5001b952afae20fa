import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from './project-root.js';

/** Whether this is the repository, with its npm scripts, rather than the installed package or the image. */
export const isCheckout: boolean = existsSync(join(projectRoot, 'scripts', 'bootstrap.mjs'));

/** How an operator gives this verb here, to be shown: `npm start` in the repository, `npx parley start` elsewhere. */
export function commandFor(verb: 'start' | 'stop' | 'status'): string {
  if (!isCheckout) return `npx parley ${verb}`;
  return verb === 'start' ? 'npm start' : `npm run ${verb}`;
}

/** {@link commandFor} `start`, so that it returns when everything is ready. */
export const startDetachedCommand: string = isCheckout ? 'npm start -- --detach' : 'npx parley start --detach';
