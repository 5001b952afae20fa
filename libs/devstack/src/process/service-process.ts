import { nodeFlags } from '#lib/runtime/workers/node-flags';
import { projectRoot } from '../project-root.js';
import { type ServerPlan, ServerProcess } from './server-process.js';

/** What differs between two runs of a service. Times in milliseconds. */
export interface ServicePlan
  extends Pick<ServerPlan, 'name' | 'env' | 'logFile' | 'onOutput' | 'pidFile' | 'stopWithinMs' | 'readyWithinMs' | 'cancelled'> {
  /** Whose flags for Node it has; `name` unless it is a second process of that app. */
  readonly app?: string;
  /** Where it serves `/readyz`. */
  readonly url: string;
  /** Its built entry file. */
  readonly entry: string;
  /** More arguments for Node. */
  readonly nodeArguments?: readonly string[];
  /** A program and its arguments that run Node with what follows, such as one that takes rights away. */
  readonly through?: readonly string[];
  /** Its checkout, when it is not this one: another version. */
  readonly root?: string;
}

/** A process of one app, ready when `/readyz` says so, drained by SIGTERM. */
export function serviceProcess({
  app,
  url,
  entry,
  nodeArguments = [],
  through = [],
  root = projectRoot,
  ...plan
}: ServicePlan): ServerProcess {
  const [command, ...args] = [...through, process.execPath, ...nodeArguments, ...nodeFlags(app ?? plan.name), entry];
  return new ServerProcess({
    ...plan,
    command,
    args,
    cwd: root,
    stopSignal: 'SIGTERM',
    probe: async (signal) => {
      const answer = await fetch(`${url}/readyz`, { signal });
      await answer.body?.cancel();
      if (!answer.ok) throw new Error(`/readyz answered ${answer.status}`);
    },
  });
}
