import { describe, expect, it } from 'vitest';
import { withDeadline } from '#lib/resilience/deadline';
import { DependencyError } from '#lib/resilience/errors';
import { currentContext, runInContext } from '#lib/runtime/context';
import { eventually } from '#lib/testing/eventually';
import { GroupCommit, type GroupCommitOptions, type Outcome } from './group-commit.js';

interface Item {
  readonly conversation: string;
  readonly name: string;
}

/** A commit in flight that the test settles by hand. */
interface InFlight {
  readonly names: string[];
  readonly isPatient: boolean;
  readonly decide: (outcome?: (item: Item) => Outcome<string>) => void;
  readonly fail: (error: unknown) => void;
}

const decided = ({ name }: Item): Outcome<string> => ({ kind: 'decided', verdict: `stored ${name}` });
const busy = (): Outcome<string> => ({ kind: 'busy' });

const gathering = (options: Partial<GroupCommitOptions<Item, string>> = {}) => {
  const inFlight: InFlight[] = [];
  const sent: string[][] = [];
  const commits = new GroupCommit<Item, string>({
    conversationOf: ({ conversation }) => conversation,
    commit: (items, { isPatient }) =>
      new Promise((resolve, reject) => {
        const names = items.map(({ name }) => name);
        const flight: InFlight = {
          names,
          isPatient,
          decide: (outcome = decided) => settle(() => resolve(items.map(outcome))),
          fail: (error) => settle(() => reject(error)),
        };
        const settle = (how: () => void) => {
          inFlight.splice(inFlight.indexOf(flight), 1);
          how();
        };
        sent.push(isPatient ? ['patiently', ...names] : names);
        inFlight.push(flight);
      }),
    maxBatch: 256,
    maxWaiting: 1_000,
    concurrent: 1,
    patient: 1,
    defer: (work) => work(),
    ...options,
  });
  const join = (name: string, conversation = 'c1'): Promise<string> => {
    const joined = commits.join({ name, conversation });
    joined.catch(() => undefined); // looked at later
    return joined;
  };
  /** Settles the oldest commit in flight and waits until its items know. */
  const next = async (how: (flight: InFlight) => void = (flight) => flight.decide()): Promise<void> => {
    const [flight] = inFlight;
    if (flight === undefined) throw new Error('nothing is in flight');
    how(flight);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { join, sent, inFlight, next };
};

const outcomesOf = async (promises: Promise<string>[]): Promise<string[]> =>
  (await Promise.allSettled(promises)).map((outcome) =>
    outcome.status === 'fulfilled' ? outcome.value : String(outcome.reason?.kind ?? outcome.reason?.message),
  );

describe('sharing commits', () => {
  it('sends a lone request at once, and everybody who comes meanwhile with the next commit', async () => {
    const { join, sent, next } = gathering();
    const joined = [join('a'), join('b'), join('c')];
    expect(sent).toEqual([['a']]);
    await next();
    expect(sent).toEqual([['a'], ['b', 'c']]);
    await next();
    expect(await outcomesOf(joined)).toEqual(['stored a', 'stored b', 'stored c']);
  });

  it('sends those together that came in one turn of the event loop', async () => {
    const { join, sent, next } = gathering({ defer: setImmediate });
    const joined = [join('a'), join('b'), join('c')];
    expect(sent).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toEqual([['a', 'b', 'c']]);
    await next();
    await Promise.all(joined);
  });

  it('takes no more than a full batch', async () => {
    const { join, sent, next } = gathering({ maxBatch: 2 });
    const joined = ['a', 'b', 'c', 'd'].map((name) => join(name));
    for (let i = 0; i < 3; i += 1) await next();
    expect(sent).toEqual([['a'], ['b', 'c'], ['d']]);
    await Promise.all(joined);
  });

  it('refuses when too many wait, and only those', async () => {
    const { join, next } = gathering({ maxWaiting: 2 });
    const joined = ['a', 'b', 'c', 'd'].map((name) => join(name));
    await next();
    await next();
    expect(await outcomesOf(joined)).toEqual(['stored a', 'stored b', 'stored c', 'overloaded']);
  });

  it('works on one conversation in one commit at a time, so that its order holds', async () => {
    const { join, sent, next, inFlight } = gathering({ concurrent: 2 });
    const joined = [join('a1', 'a'), join('a2', 'a'), join('b1', 'b'), join('a3', 'a')];
    expect(sent).toEqual([['a1'], ['b1']]);
    await next();
    expect(sent).toEqual([['a1'], ['b1'], ['a2', 'a3']]);
    inFlight[0]?.decide();
    inFlight[0]?.decide();
    await Promise.all(joined);
  });

  it('runs a commit under nobody’s deadline and nobody’s request id', async () => {
    const seen: unknown[] = [];
    const commits = new GroupCommit<Item, string>({
      conversationOf: ({ conversation }) => conversation,
      commit: async (items) => {
        seen.push(currentContext());
        await new Promise((resolve) => setTimeout(resolve, 40));
        return items.map(decided);
      },
      maxBatch: 10,
      maxWaiting: 10,
      concurrent: 1,
      patient: 1,
    });
    await runInContext({ requestId: 'request-1' }, () =>
      expect(withDeadline(10, () => commits.join({ conversation: 'c', name: 'a' }))).rejects.toThrow('deadline'),
    );
    expect(await commits.join({ conversation: 'c', name: 'b' })).toBe('stored b');
    expect(seen).toEqual([{}, {}]);
  });
});

describe('failures of a shared commit', () => {
  it('drops a request whose deadline passed before it was sent', async () => {
    const { join, sent, next } = gathering();
    const first = join('a');
    await expect(withDeadline(10, () => join('late'))).rejects.toThrow('deadline of 10 ms exceeded');
    const last = join('b');
    await next();
    expect(sent).toEqual([['a'], ['b']]);
    await next();
    expect(await outcomesOf([first, last])).toEqual(['stored a', 'stored b']);
  });

  it('rejects the whole batch when Postgres cannot, and goes on', async () => {
    const { join, next } = gathering();
    const joined = [join('a'), join('b'), join('c')];
    await next();
    await next((flight) => flight.fail(new DependencyError('postgres', 'sends', 'timeout')));
    expect(await outcomesOf(joined)).toEqual(['stored a', 'timeout', 'timeout']);
    const after = join('d');
    await next();
    expect(await after).toBe('stored d');
  });

  it('tries each alone when one of several is bad, in their order', async () => {
    const { join, sent, next } = gathering();
    const joined = ['a', 'b', 'bad', 'c'].map((name) => join(name));
    await next();
    await next((flight) => flight.fail(new Error('invalid byte sequence')));
    await next();
    await next((flight) => flight.fail(new Error('invalid byte sequence')));
    await next();
    expect(sent).toEqual([['a'], ['b', 'bad', 'c'], ['b'], ['bad'], ['c']]);
    expect(await outcomesOf(joined)).toEqual(['stored a', 'stored b', 'invalid byte sequence', 'stored c']);
  });

  it('does not hang when a commit forgets an item', async () => {
    const { join, inFlight } = gathering();
    const joined = join('a');
    const [flight] = inFlight;
    flight?.decide((item) => decided(item));
    expect(await joined).toBe('stored a');
    const commits = new GroupCommit<Item, string>({
      conversationOf: () => 'c',
      commit: async () => [],
      maxBatch: 1,
      maxWaiting: 1,
      concurrent: 1,
      patient: 1,
    });
    await expect(commits.join({ conversation: 'c', name: 'a' })).rejects.toThrow('no outcome');
  });
});

describe('a conversation that somebody else holds', () => {
  const isHeld = (held: string) => (item: Item) => (item.conversation === held ? busy() : decided(item));

  it('is waited for beside the shared commits, which go on without it', async () => {
    const { join, sent, next, inFlight } = gathering();
    const joined = [join('a1', 'a'), join('h1', 'held'), join('b1', 'b'), join('h2', 'held')];
    await next();
    await next((flight) => flight.decide(isHeld('held')));
    const later = [join('a2', 'a'), join('h3', 'held')];
    await next((flight) => flight.decide());
    expect(sent).toEqual([['a1'], ['h1', 'b1', 'h2'], ['patiently', 'h1', 'h2'], ['a2'], ['patiently', 'h3']].slice(0, sent.length));
    while (inFlight.length > 0) await next();
    expect(await outcomesOf([...joined, ...later])).toEqual(['stored a1', 'stored h1', 'stored b1', 'stored h2', 'stored a2', 'stored h3']);
  });

  it('keeps the order of its messages', async () => {
    const { join, sent, next, inFlight } = gathering();
    const joined = [join('h1', 'held')];
    await next((flight) => flight.decide(busy));
    joined.push(join('h2', 'held'), join('h3', 'held'));
    expect(sent).toEqual([['h1'], ['patiently', 'h1']]);
    await next();
    while (inFlight.length > 0) await next();
    expect(sent).toEqual([['h1'], ['patiently', 'h1'], ['h2', 'h3']]);
    await Promise.all(joined);
  });

  it('takes no more than its share of commits, however many there are', async () => {
    const { join, sent, inFlight, next } = gathering({ patient: 2 });
    const names = ['x', 'y', 'z'];
    const joined = names.map((name) => join(name, name));
    await next((flight) => flight.decide(busy));
    await next((flight) => flight.decide(busy));
    await eventually(() => expect(inFlight.filter(({ isPatient }) => isPatient).length).toBe(2));
    const free = join('free', 'free');
    expect(sent.at(-1)).toEqual(['free']);
    while (inFlight.length > 0) await next();
    expect(await outcomesOf([...joined, free])).toEqual(['stored x', 'stored y', 'stored z', 'stored free']);
  });

  it('fails alone when it stays held', async () => {
    const { join, next, inFlight } = gathering();
    const joined = [join('h1', 'held'), join('a1', 'a')];
    await next((flight) => flight.decide(busy));
    const lockTimeout = new DependencyError('postgres', 'sends', 'overloaded');
    while (inFlight.length > 0) await next((flight) => (flight.isPatient ? flight.fail(lockTimeout) : flight.decide()));
    expect(await outcomesOf(joined)).toEqual(['overloaded', 'stored a1']);
  });
});
