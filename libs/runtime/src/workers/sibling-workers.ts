import cluster, { type Worker } from 'node:cluster';

/** What a process can be asked about itself: `metrics` by another worker of its supervisor, the rest by any process (ADR 21). */
export type Question = 'metrics' | 'presence' | 'report' | 'breakers' | 'consumers' | 'publisher' | 'scaling' | 'alerts' | 'measurements';

/** One process' answer; `silent` when it gave none in time, which says something too. */
export type WorkerAnswer<T> =
  | { readonly pid: number; readonly silent: false; readonly answer: T }
  | { readonly pid: number; readonly silent: true };

/** How many workers there should be, how many there are, and how often one had to be started again, by reason. */
export interface WorkerCounts {
  readonly wanted: number;
  readonly running: number;
  readonly restarts: Readonly<Record<string, number>>;
}

/** What all workers said, and what their supervisor knows of them; it is null in a process without one. */
export interface Answers<T> {
  readonly workers: readonly WorkerAnswer<T>[];
  readonly counts: WorkerCounts | null;
  /** Of `metrics`: what workers said last that do not answer now, those that have ended added up. */
  readonly past?: readonly T[];
}

/** The supervisor waits this long for its workers, in milliseconds: health and metrics are asked every few seconds, by machines with limits. */
const WORKERS_WITHIN_MS = 1_000;
/** The asking worker waits a little longer, then answers for itself alone; milliseconds. */
const SUPERVISOR_WITHIN_MS = 1_500;

type Message =
  | { readonly parley: 'ask'; readonly id: number; readonly question: Question }
  | { readonly parley: 'question'; readonly id: number; readonly question: Question }
  | { readonly parley: 'answer'; readonly id: number; readonly answer: unknown }
  | ({ readonly parley: 'answers'; readonly id: number } & Answers<unknown>);

const respondents = new Map<Question, () => unknown>();

/** Says how this process answers a question of its siblings. The answer must survive JSON. */
export const answerSiblings = (question: Question, answer: () => unknown): void => {
  respondents.set(question, answer);
  listen();
};

/** What this process answers; undefined when it has nothing of the kind. */
export const answerOf = (question: string): unknown => respondents.get(question as Question)?.();

/** Whether this process has a supervisor, and so siblings to ask. */
export const hasSiblings = (): boolean => cluster.isWorker;

/**
 * Asks all workers of this process' supervisor, this one included; a process without supervisor answers alone. Never rejects for a worker
 * that is silent or a supervisor that is gone; settles within 1.5 s. Rejects when this process itself cannot answer.
 */
export const askSiblings = async <T>(question: Question): Promise<Answers<T>> => {
  const answers = cluster.isWorker ? await askSupervisor(question) : undefined;
  if (answers !== undefined) return answers as Answers<T>;
  const answer = (await answerOf(question)) as T;
  return { workers: [{ pid: process.pid, silent: false, answer }], counts: null };
};

let nextId = 1;
const asked = new Map<number, (answers: Answers<unknown>) => void>();

const askSupervisor = (question: Question): Promise<Answers<unknown> | undefined> => {
  const { promise, resolve } = Promise.withResolvers<Answers<unknown> | undefined>();
  const id = nextId++;
  const timer = setTimeout(resolve, SUPERVISOR_WITHIN_MS, undefined);
  asked.set(id, resolve);
  listen();
  tellSupervisor({ parley: 'ask', id, question }, () => resolve(undefined));
  return promise.finally(() => {
    clearTimeout(timer);
    asked.delete(id);
  });
};

const tellSupervisor = (message: Message, whenGone: () => void): void => {
  if (process.send === undefined || !process.connected) return whenGone();
  process.send(message, undefined, undefined, (error) => (error === null ? undefined : whenGone()));
};

let isListening = false;

const listen = (): void => {
  if (isListening || !cluster.isWorker) return;
  isListening = true;
  process.on('message', (message: Message) => {
    if (message.parley === 'answers') asked.get(message.id)?.(message);
    if (message.parley === 'question') void answerSupervisor(message.id, message.question);
  });
};

const answerSupervisor = async (id: number, question: Question): Promise<void> => {
  try {
    tellSupervisor({ parley: 'answer', id, answer: (await answerOf(question)) ?? null }, () => undefined);
  } catch {
    // No answer is an answer: the report says that this worker was silent.
  }
};

/** Adds the metrics of several workers up. */
type AddUp = (metrics: readonly unknown[]) => Promise<unknown>;

/**
 * The supervisor's side: passes questions on to all workers, and their answers back to the worker that asked. It remembers the metrics of those
 * that end, because a sum of counters that falls looks like one that began again: whatever was ever counted would count once more.
 */
export const connectSiblings = (counts: () => WorkerCounts, addUp: AddUp): void => {
  const switchboard = new Switchboard(counts, addUp);
  cluster.on('message', (worker: Worker, message: Message) => switchboard.hear(worker, message));
  cluster.on('exit', (worker: Worker) => switchboard.forget(worker));
};

class Switchboard {
  private readonly open = new Map<number, { readonly take: (worker: Worker, answer: unknown) => void }>();
  /** The last metrics of each worker, by its id. */
  private readonly last = new Map<number, unknown>();
  private ended: Promise<readonly unknown[]> = Promise.resolve([]);

  constructor(
    private readonly counts: () => WorkerCounts,
    private readonly addUp: AddUp,
  ) {}

  /** Of a worker that has ended only what it had counted stays. */
  forget({ id }: Worker): void {
    const last = this.last.get(id);
    this.last.delete(id);
    if (last === undefined) return;
    const add = async (known: readonly unknown[]) => [await this.addUp([...known, last])];
    this.ended = this.ended.then((known) => add(known).catch(() => known));
  }

  hear(worker: Worker, message: Message): void {
    if (message.parley === 'ask') void this.passOn(worker, message.id, message.question);
    if (message.parley === 'answer') this.open.get(message.id)?.take(worker, message.answer);
  }

  private async passOn(asker: Worker, askedId: number, question: Question): Promise<void> {
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined);
    const answers = await this.collect(workers, question);
    // What it said before its end is remembered already.
    for (const worker of workers) if (worker.isDead()) answers.delete(worker.id);
    const told: WorkerAnswer<unknown>[] = workers.map((worker) => {
      const pid = worker.process.pid ?? 0;
      return answers.has(worker.id) ? { pid, silent: false, answer: answers.get(worker.id) } : { pid, silent: true };
    });
    const past = question === 'metrics' ? await this.pastOf(workers, answers) : [];
    tell(asker, { parley: 'answers', id: askedId, workers: told, counts: this.counts(), past });
  }

  private async pastOf(workers: readonly Worker[], answers: ReadonlyMap<number, unknown>): Promise<unknown[]> {
    for (const [id, answer] of answers) this.last.set(id, answer);
    const silent = workers.filter(({ id }) => !answers.has(id) && this.last.has(id)).map(({ id }) => this.last.get(id));
    return [...(await this.ended), ...silent];
  }

  private async collect(workers: readonly Worker[], question: Question): Promise<Map<number, unknown>> {
    const answers = new Map<number, unknown>();
    const { promise: complete, resolve } = Promise.withResolvers<void>();
    const id = nextId++;
    const timer = setTimeout(resolve, WORKERS_WITHIN_MS);
    this.open.set(id, {
      take: (worker, answer) => {
        answers.set(worker.id, answer);
        if (answers.size === workers.length) resolve();
      },
    });
    for (const worker of workers) tell(worker, { parley: 'question', id, question });
    await complete;
    clearTimeout(timer);
    this.open.delete(id);
    return answers;
  }
}

// A worker that is on its way out may have closed its channel already: it is silent then.
const tell = (worker: Worker, message: Message): void => {
  if (worker.isConnected()) worker.send(message, () => undefined);
};
