import { isAbsolute, join } from 'node:path';
import { isCheckout } from '../installation.js';
import { projectRoot } from '../project-root.js';

/** Where Parley keeps data, logs, secrets and the record of what runs. Moved with PARLEY_HOME; relative to the checkout or, installed, to the caller. */
export interface Home {
  readonly folder: string;
  readonly logs: string;
  /** Spans of a run that keeps them. */
  readonly traces: string;
  readonly dependencies: string;
  readonly secretsFile: string;
  readonly stateFile: string;
  /** Held by the process that runs the stack, for as long as it runs. */
  readonly lockFile: string;
  /** Data of the embedded mode. */
  readonly embedded: string;
  /** Held by the process that runs the embedded mode; see HomeLock. */
  readonly embeddedLock: string;
}

/** The home that the environment asks for, `.parley/` unless PARLEY_HOME says otherwise. */
export function parleyHome(env: NodeJS.ProcessEnv = process.env): Home {
  const wanted = env['PARLEY_HOME']?.trim() || '.parley';
  const folder = isAbsolute(wanted) ? wanted : join(isCheckout ? projectRoot : process.cwd(), wanted);
  return {
    folder,
    logs: join(folder, 'logs'),
    traces: join(folder, 'traces'),
    dependencies: join(folder, 'data'),
    secretsFile: join(folder, 'secrets.json'),
    stateFile: join(folder, 'state.json'),
    lockFile: join(folder, 'supervisor.lock'),
    embedded: join(folder, 'embedded'),
    embeddedLock: join(folder, 'embedded', 'lock'),
  };
}
