import { currentScope, runInScope, type WorkContext } from './scope.js';

export type { WorkContext } from './scope.js';

const NONE: Readonly<WorkContext> = Object.freeze({});

/** Runs `work` with its own context; what it starts, timers and I/O included, sees the same one. */
export const runInContext = <T>(context: WorkContext, work: () => T): T =>
  runInScope({ context, deadline: currentScope()?.deadline }, work);

/** The context of the running unit of work; empty outside one. */
export const currentContext = (): Readonly<WorkContext> => currentScope()?.context ?? NONE;

/** Adds ids to the running context as they become known. Outside a unit of work it does nothing. */
export const enrichContext = (ids: WorkContext): void => {
  const context = currentScope()?.context;
  if (context !== undefined) Object.assign(context, ids);
};
