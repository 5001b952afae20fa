import { currentContext, type WorkContext } from '../log/context.js';

/** What a unit of work is: an HTTP request, or one run of an event handler. */
export interface WorkSubject {
  readonly kind: 'request' | 'event';
  /** Request id or event id. */
  readonly id: string;
  /** Method and route, or the queue with the size of the batch. Never a path or text from a caller. */
  readonly what: string;
}

/** What a unit of work waits for in a dependency: a place to call from, a connection, its answer, or the next try. */
export type WaitStage = 'place' | 'connection' | 'answer' | 'retry';

/** Something that a unit of work waits for at this moment. The code that begins it ends it. */
export class Wait {
  /** `performance.now()` of the beginning of its stage. */
  since = performance.now();
  stage: WaitStage = 'place';

  constructor(
    readonly dependency: string,
    readonly operation: string,
    private readonly waits: Wait[],
  ) {}

  /** From now on it waits for something else. */
  enter(stage: WaitStage): void {
    this.stage = stage;
    this.since = performance.now();
  }

  end(): void {
    const { waits } = this;
    const index = waits.lastIndexOf(this);
    if (index >= 0) waits.splice(index, 1);
  }
}

/** One line of a report: a unit of work, what it waits for, and since when (R064). Times in milliseconds. */
export interface WorkReport extends WorkSubject {
  readonly conversationId?: string;
  readonly messageId?: string;
  /** `receiving`: head there, body or permission not yet; `handling`: in its handler; `answered`: the caller is gone, the handler is not done. */
  readonly phase: 'receiving' | 'handling' | 'answered';
  readonly ageMs: number;
  /** What its handler was given; null before it runs. */
  readonly deadlineMs: number | null;
  /** Its handler runs for longer than that. */
  readonly isOverdue: boolean;
  /** Empty = it computes, or it waits for something that is not a dependency. */
  readonly waitingFor: readonly {
    readonly dependency: string;
    readonly operation: string;
    readonly stage: WaitStage;
    readonly forMs: number;
  }[];
}

/** One unit of work, from its arrival until its answer is out and its handler has settled, whichever is later. */
export class UnitOfWork {
  readonly waits: Wait[] = [];
  readonly startedAt = performance.now();
  /** `performance.now()` at the beginning of its handler. */
  handledSince: number | undefined;
  deadlineMs: number | undefined;
  private isHandling = false;
  private isEnded = false;

  constructor(
    readonly subject: WorkSubject,
    readonly context: WorkContext,
    private readonly forget: (work: UnitOfWork) => void,
  ) {}

  get phase(): WorkReport['phase'] {
    if (this.isEnded) return 'answered';
    return this.handledSince === undefined ? 'receiving' : 'handling';
  }

  /**
   * Runs the handler itself. Call it inside the deadline, not around it: a handler that outlives its deadline stays in the report, because
   * it is what an operator looks for.
   */
  async handle<T>(deadlineMs: number, handler: () => T | Promise<T>): Promise<T> {
    this.handledSince = performance.now();
    this.deadlineMs = deadlineMs;
    this.isHandling = true;
    try {
      return await handler();
    } finally {
      this.isHandling = false;
      if (this.isEnded) this.forget(this);
    }
  }

  /** The answer is out, or its caller is gone. */
  end(): void {
    this.isEnded = true;
    if (!this.isHandling) this.forget(this);
  }

  /** How long its handler has been at it; 0 when no handler runs. */
  handlingForMs(now: number): number {
    return this.isHandling && this.handledSince !== undefined ? now - this.handledSince : 0;
  }

  report(now: number): WorkReport {
    const { conversationId, messageId } = this.context;
    const deadlineMs = this.deadlineMs ?? null;
    return {
      ...this.subject,
      ...(conversationId === undefined ? {} : { conversationId }),
      ...(messageId === undefined ? {} : { messageId }),
      phase: this.phase,
      ageMs: Math.round(now - this.startedAt),
      deadlineMs,
      isOverdue: deadlineMs !== null && this.handlingForMs(now) > deadlineMs,
      waitingFor: this.waits.map(({ dependency, operation, stage, since }) => ({
        dependency,
        operation,
        stage,
        forMs: Math.round(now - since),
      })),
    };
  }
}

// In the order of arrival: the oldest first.
const inFlight = new Set<UnitOfWork>();
// On the context in which it runs, which callers have already. Not in a WeakMap: each entry costs each collection of the young heap.
const WORK = Symbol('work');
type ContextOfWork = WorkContext & { [WORK]?: UnitOfWork };
const currentWork = (): UnitOfWork | undefined => (currentContext() as ContextOfWork)[WORK];
const forget = (work: UnitOfWork): void => void inFlight.delete(work);

/** Enters a unit of work that runs in `context` (`runInContext`). Its `end` must be called. */
export const beginWork = (context: WorkContext, subject: WorkSubject): UnitOfWork => {
  const work = new UnitOfWork(subject, context, forget);
  inFlight.add(work);
  (context as ContextOfWork)[WORK] = work;
  return work;
};

/** Every unit of work of this process, the oldest first. */
export const workInFlight = (): IterableIterator<UnitOfWork> => inFlight.values();

/**
 * The units of work whose handler has run for at least `forMs` and for more than twice its deadline: at the deadline its caller was answered, and
 * what it called was told to stop. The oldest first.
 */
export const overdueWork = (forMs: number, now = performance.now(), works: Iterable<UnitOfWork> = inFlight): UnitOfWork[] =>
  [...works].filter((work) => {
    const handlingMs = work.handlingForMs(now);
    return handlingMs >= forMs && handlingMs > 2 * (work.deadlineMs ?? Number.POSITIVE_INFINITY);
  });

/** How many there are. */
export const workInFlightCount = (): number => inFlight.size;

/** Notes that the running unit of work begins to wait; undefined (and next to free) outside one. */
export const beginWait = (dependency: string, operation: string): Wait | undefined => {
  const waits = currentWork()?.waits;
  if (waits === undefined) return undefined;
  const wait = new Wait(dependency, operation, waits);
  waits.push(wait);
  return wait;
};

/** Says more precisely what the last wait of the running unit of work is for: known only inside an adapter. Does nothing when there is none. */
export const enterWaitStage = (stage: WaitStage): void => currentWork()?.waits.at(-1)?.enter(stage);
