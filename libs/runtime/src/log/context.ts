import { AsyncLocalStorage } from 'node:async_hooks';

/** Ids that travel with a unit of work (an HTTP request, a consumed event) and stand in each of its log lines (R022). */
export interface WorkContext {
  requestId?: string;
  conversationId?: string;
  messageId?: string;
  userId?: string;
  /** W3C trace context of this unit of work, `00-<trace>-<span>-<flags>`. */
  traceparent?: string;
}

const storage = new AsyncLocalStorage<WorkContext>();

/** Runs `work` with its own context; what it starts, timers and I/O included, sees the same one. */
export const runInContext = <T>(context: WorkContext, work: () => T): T => storage.run(context, work);

/** The context of the running unit of work; empty outside one. */
export const currentContext = (): Readonly<WorkContext> => storage.getStore() ?? {};

/** Adds ids to the running context as they become known. Outside a unit of work it does nothing. */
export const enrichContext = (ids: WorkContext): void => {
  const store = storage.getStore();
  if (store !== undefined) Object.assign(store, ids);
};
