import { describe, expect, it } from 'vitest';
import { withDeadline } from '#lib/resilience/call/deadline';
import { DependencyError } from '#lib/resilience/call/errors';
import { currentContext, runInContext } from '#lib/runtime/log/context';
import { eventually } from '#lib/testing/eventually';
import { GroupCommit, type GroupCommitOptions, type Outcome } from './group-commit.js';

interface Item {
  readonly conversation: string;
  readonly name: string;
  readonly sender: string;
  readonly cost: number;
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
    senderOf: ({ sender }) => sender,
    costOf: ({ cost }) => cost,
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
    maxBatchCost: 1_000,
    maxWaiting: 1_000,
    concurrent: 1,
    patient: 1,
    defer: (work) => work(),
    ...options,
  });
  const join = (name: string, conversation = 'c1', { sender = 'alice', cost = 1 } = {}): Promise<string> => {
    const joined = commits.join({ name, conversation, sender, cost });
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
  return { join, sent, inFlight, next, commits };
};

/** What Postgres says of a statement that it ended: nothing is stored, and one item may be the reason. */
const tookTooLong = () => new DependencyError('postgres', 'sends', 'timeout', { isAttributable: true });

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

  it('runs a commit under no caller’s deadline and no caller’s request id', async () => {
    const seen: unknown[] = [];
    const commits = new GroupCommit<Item, string>({
      conversationOf: ({ conversation }) => conversation,
      senderOf: ({ sender }) => sender,
      costOf: ({ cost }) => cost,
      commit: async (items) => {
        seen.push(currentContext());
        await new Promise((resolve) => setTimeout(resolve, 40));
        return items.map(decided);
      },
      maxBatch: 10,
      maxBatchCost: 10,
      maxWaiting: 10,
      concurrent: 1,
      patient: 1,
    });
    await runInContext({ requestId: 'request-1' }, () =>
      expect(withDeadline(10, () => commits.join({ conversation: 'c', name: 'a', sender: 'alice', cost: 1 }))).rejects.toThrow('deadline'),
    );
    expect(await commits.join({ conversation: 'c', name: 'b', sender: 'alice', cost: 1 })).toBe('stored b');
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

  it('tries parts until the bad one of several is alone, in their order', async () => {
    const { join, sent, next, inFlight } = gathering();
    const names = Array.from({ length: 17 }, (_, i) => (i === 5 ? 'bad' : `${i}`));
    const joined = names.map((name) => join(name, 'c1', { sender: name }));
    const failing = (flight: InFlight) =>
      flight.names.includes('bad') ? flight.fail(new Error('invalid byte sequence')) : flight.decide();
    while (inFlight.length > 0) await next(failing);
    const pairs = Array.from({ length: 8 }, (_, i) => names.slice(1 + 2 * i, 3 + 2 * i));
    expect(sent).toEqual([['0'], names.slice(1), ...pairs.slice(0, 3), ['bad'], ['6'], ...pairs.slice(3)]);
    expect(await outcomesOf(joined)).toEqual(names.map((name) => (name === 'bad' ? 'invalid byte sequence' : `stored ${name}`)));
  });

  it('finds a dear item soon: the parts are of the same cost, not of the same number', async () => {
    const { join, sent, next, inFlight } = gathering();
    const joined = [join('first')];
    const names = Array.from({ length: 64 }, (_, i) => (i === 40 ? 'dear' : `${i}`));
    joined.push(...names.map((name) => join(name, 'c1', { sender: name, cost: name === 'dear' ? 500 : 1 })));
    while (inFlight.length > 0) await next((flight) => (flight.names.includes('dear') ? flight.fail(tookTooLong()) : flight.decide()));
    expect(sent.length).toBeLessThan(7);
    const outcomes = await outcomesOf(joined);
    expect(outcomes.filter((outcome) => outcome.startsWith('stored'))).toHaveLength(64);
    expect(outcomes[41]).toBe('timeout');
  });

  it('tries in parts what took too long, but not what nothing is known of', async () => {
    const { join, sent, next } = gathering();
    const joined = ['a', 'b', 'c'].map((name) => join(name));
    await next();
    await next((flight) => flight.fail(new DependencyError('postgres', 'sends', 'unavailable')));
    expect(sent).toEqual([['a'], ['b', 'c']]);
    expect(await outcomesOf(joined)).toEqual(['stored a', 'unavailable', 'unavailable']);
  });

  it('gives the parts no more time than their callers have', async () => {
    const limits: (number | undefined)[] = [];
    let used = 0;
    const commits = new GroupCommit<string, string>({
      conversationOf: () => 'c',
      senderOf: (item) => item,
      costOf: () => 1,
      commit: async (_items, { limitMs }) => {
        limits.push(limitMs);
        await new Promise((resolve) => setTimeout(resolve, limitMs ?? 400));
        used += limitMs ?? 400;
        throw tookTooLong();
      },
      maxBatch: 10,
      maxBatchCost: 10,
      maxWaiting: 10,
      concurrent: 1,
      patient: 1,
    });
    const joined = withDeadline(2_000, () => Promise.allSettled(['a', 'b', 'c', 'd'].map((item) => commits.join(item))));
    const outcomes = await joined;
    expect(outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.kind)).toEqual(Array(4).fill('timeout'));
    expect(limits.slice(0, 1)).toEqual([undefined]);
    expect(limits.length).toBeGreaterThan(3);
    // 2,000 ms less 200 for the answer, whatever each part takes.
    expect(used).toBeLessThanOrEqual(1_800);
  });

  it('lets a sender whose item was bad send alone, until one is stored', async () => {
    const { join, sent, next, inFlight } = gathering();
    const bad = (flight: InFlight) => (flight.names.some((name) => name.startsWith('bad')) ? flight.fail(tookTooLong()) : flight.decide());
    const joined = [join('a'), join('b', 'c1', { sender: 'bob' }), join('bad-1', 'c2', { sender: 'mallory' })];
    while (inFlight.length > 0) await next(bad);
    sent.length = 0;
    joined.push(
      join('c'),
      join('bad-2', 'c2', { sender: 'mallory' }),
      join('d', 'c1', { sender: 'bob' }),
      join('good', 'c3', { sender: 'mallory' }),
    );
    while (inFlight.length > 0) await next(bad);
    expect(sent.filter((names) => names.includes('bad-2') || names.includes('good')).map(({ length }) => length)).toEqual([1, 1]);
    expect(await outcomesOf(joined)).toEqual(['stored a', 'stored b', 'timeout', 'stored c', 'timeout', 'stored d', 'stored good']);
    sent.length = 0;
    const after = [join('e'), join('f'), join('g', 'c1', { sender: 'mallory' })];
    while (inFlight.length > 0) await next();
    expect(sent).toEqual([['e'], ['f', 'g']]);
    await Promise.all(after);
  });

  it('knows nothing against senders while everything fails', async () => {
    const { join, next, inFlight, commits } = gathering();
    const joined = ['a', 'b', 'c', 'd'].map((name) => join(name, name, { sender: name }));
    while (inFlight.length > 0) await next((flight) => flight.fail(tookTooLong()));
    expect(await outcomesOf(joined)).toEqual(['timeout', 'timeout', 'timeout', 'timeout']);
    expect(commits.remembered.suspects).toBe(0);
  });

  it('does not hang when a commit forgets an item', async () => {
    const { join, inFlight } = gathering();
    const joined = join('a');
    const [flight] = inFlight;
    flight?.decide((item) => decided(item));
    expect(await joined).toBe('stored a');
    const commits = new GroupCommit<Item, string>({
      conversationOf: () => 'c',
      senderOf: () => 'alice',
      costOf: () => 1,
      commit: async () => [],
      maxBatch: 1,
      maxBatchCost: 1,
      maxWaiting: 1,
      concurrent: 1,
      patient: 1,
    });
    await expect(commits.join({ conversation: 'c', name: 'a', sender: 'alice', cost: 1 })).rejects.toThrow('no outcome');
  });
});

describe('the share of a sender', () => {
  it('ends a batch at its cost, and lets a dearer item go alone', async () => {
    const { join, sent, next, inFlight } = gathering({ maxBatchCost: 10 });
    const joined = [join('first'), ...[4, 4, 4, 50, 1].map((cost, i) => join(`${i} costs ${cost}`, 'c1', { cost }))];
    while (inFlight.length > 0) await next();
    expect(sent).toEqual([['first'], ['0 costs 4', '1 costs 4'], ['2 costs 4'], ['3 costs 50'], ['4 costs 1']]);
    await Promise.all(joined);
  });

  it('does not stand before the first messages of others', async () => {
    const { join, sent, next, inFlight } = gathering({ maxBatchCost: 20 });
    const joined = [join('first')];
    for (let i = 0; i < 20; i += 1) joined.push(join(`flood ${i}`, 'flood', { sender: 'mallory', cost: 10 }));
    joined.push(join('b1', 'b', { sender: 'bob' }), join('c1', 'c', { sender: 'carol' }), join('b2', 'b', { sender: 'bob' }));
    await next();
    await next();
    expect(sent[1]).toEqual(expect.arrayContaining(['b1', 'c1', 'b2']));
    while (inFlight.length > 0) await next();
    expect(sent.flat().filter((name) => name.startsWith('flood'))).toEqual(Array.from({ length: 20 }, (_, i) => `flood ${i}`));
    await Promise.all(joined);
  });

  it('is not nothing, however many cheap messages come', async () => {
    const { join, sent, next, inFlight } = gathering({ maxBatchCost: 20 });
    const joined = [join('first'), join('long', 'long', { sender: 'writer', cost: 20 })];
    for (let i = 0; i < 100 && !sent.flat().includes('long'); i += 1) {
      for (let k = 0; k < 20; k += 1) joined.push(join(`${i}/${k}`, 'c', { sender: `chatter ${k}` }));
      await next();
    }
    expect(sent.flat()).toContain('long');
    while (inFlight.length > 0) await next();
    await Promise.all(joined);
  });

  it('keeps the order of each sender in a conversation', async () => {
    const { join, sent, next, inFlight } = gathering({ maxBatchCost: 5 });
    const joined = [join('first')];
    for (let i = 0; i < 30; i += 1) joined.push(join(`${i % 3}/${i}`, 'c', { sender: `${i % 3}`, cost: 1 + (i % 5) }));
    while (inFlight.length > 0) await next();
    const order = sent.flat().slice(1);
    for (const sender of ['0', '1', '2']) {
      const own = order.filter((name) => name.startsWith(`${sender}/`)).map((name) => Number(name.slice(2)));
      expect(own).toEqual([...own].sort((one, other) => one - other));
    }
    await Promise.all(joined);
  });
});

describe('a conversation that another commit holds', () => {
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

  it('is forgotten when its messages ran out of time', async () => {
    const { join, next, inFlight, commits } = gathering();
    const joined = [join('h1', 'held')];
    const late = withDeadline(30, () => join('l1', 'late'));
    late.catch(() => undefined);
    await next((flight) => flight.decide(busy)); // h1 waits patiently now
    const [shared] = inFlight.filter(({ isPatient }) => !isPatient);
    shared?.decide(busy);
    await expect(late).rejects.toThrow('deadline');
    while (inFlight.length > 0) await next();
    await Promise.all(joined);
    expect(commits.remembered).toEqual({ contended: 0, suspects: 0 });
  });
});
