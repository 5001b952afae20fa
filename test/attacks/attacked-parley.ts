import { fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { metricsOf } from '#lib/testing/metrics-of';
import { type RunningParley, type RunningParleyOptions, startParley } from '#lib/testing/running-parley';
import { projectRoot } from '#lib/devstack/project-root';
import { type Percentiles, percentilesOf } from '#lib/testing/percentiles';
import type { Asked, BystanderOrders, Sample } from './bystanders.js';

/** What the bystanders of an attack met, and what it did to the process that was attacked. */
interface Seen {
  /** Milliseconds until a bystander's message was acknowledged, refusals included. */
  readonly sends: Percentiles;
  /** Bystanders' requests by what they asked and how they were answered, e.g. `send 202`; status 0: no answer. */
  readonly answers: Readonly<Record<string, number>>;
  /** Of that process' event loop while it lasted, in milliseconds. */
  readonly loopDelayP99Ms: number;
  /** What its resident memory rose by, at its highest look, in MiB. */
  readonly grownMiB: number;
  /** Whether it is the same process as before. */
  readonly isSameProcess: boolean;
}

/**
 * Law 9 of docs/concepts/resilience.md, Memory: the attacks that it was made for took 560 to 780 MiB; what Node keeps of the garbage of the
 * largest context windows was measured as 200 to 230.
 */
const LAW = { sendP95Ms: 200, loopDelayP99Ms: 100, grownMiB: 350 } as const;

/** The process that an attack is aimed at, and of which loop and memory are measured. */
type Attacked = 'gateway' | 'realtime';

/** Requests that a user may send at once (R020: twice 5). */
const BURST = 10;
const BYSTANDERS = 8;
const GOOD: Readonly<Record<Asked, number>> = { send: 202, page: 200, search: 200, socket: 202 };
const LOOK_EVERY_MS = 250;
/** Of an attack during which others were late, and nothing worse. */
const RUNS = 3;
/** The default, which other tests switch off, and with it all that limits one user. */
const callerLimits = { RATE_LIMIT_PER_USER: '5' };

/** A Parley with the limits of production (5 requests/s and user) that is attacked while others use it. */
export class AttackedParley {
  private constructor(readonly parley: RunningParley) {}

  static async start(options: RunningParleyOptions): Promise<AttackedParley> {
    return new AttackedParley(await startParley({ ...options, env: { ...callerLimits, ...options.env } }));
  }

  stop(): Promise<void> {
    return this.parley.stop();
  }

  /**
   * What of law 9 does not hold during an attack, in sentences; nothing when all of it does. A machine that has other work is late once or twice,
   * an attack that works is late each time: so lateness alone counts when every run shows it. Everything else counts at once.
   */
  async brokenBy(attack: () => Promise<unknown>, attacked: Attacked = 'gateway'): Promise<string[]> {
    let complaints: Complaint[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      complaints = broken(await this.during(attack, attacked));
      const isLateOnly = complaints.length > 0 && complaints.every(({ isLateness }) => isLateness);
      if (!isLateOnly) break;
    }
    return complaints.map(({ sentence }) => sentence);
  }

  /** Runs an attack beside bystanders for as long as it takes, at least `atLeastMs`, and tells what they met. */
  private async during(attack: () => Promise<unknown>, attacked: Attacked, { atLeastMs = 4_000 } = {}): Promise<Seen> {
    const victim = this.parley[attacked];
    const pid = victim.pid;
    const bystanders = await Bystanders.start(await this.orders());
    const memory = new MemoryWatch(pid);
    await metricsOf(victim.url); // each look begins a new window of the loop's delay
    try {
      await Promise.all([attack(), sleep(atLeastMs)]);
    } catch (error) {
      bystanders.kill();
      throw error;
    } finally {
      await memory.stop();
    }
    const after = await metricsOf(victim.url);
    const samples = await bystanders.stop();
    const seen = {
      sends: percentilesOf(samples.filter(({ asked }) => asked === 'send' || asked === 'socket').map(({ ms }) => ms)),
      answers: countsOf(samples),
      loopDelayP99Ms: Math.round((after.get('nodejs_eventloop_lag_p99_seconds') ?? Number.NaN) * 1_000),
      grownMiB: memory.grownMiB,
      isSameProcess: victim.pid === pid,
    };
    writeDown(seen);
    return seen;
  }

  /**
   * A conversation of this user that holds these texts, as it would after some time. Its members send them, each within its quota.
   * @param pauseMs of each member after each text. @returns its id.
   */
  async conversationWith(owner: string, texts: readonly string[], { pauseMs = 0 } = {}): Promise<string> {
    const members = Array.from({ length: Math.ceil(texts.length / BURST) }, (_, i) => `${owner}-member-${i}`);
    const { id } = await (await this.parley.client(owner)).createConversation({ memberIds: members });
    const sending = members.map(async (member, i) => {
      const client = await this.parley.client(member);
      for (const text of texts.slice(i * BURST, (i + 1) * BURST)) {
        await client.send(id, text);
        if (pauseMs > 0) await sleep(pauseMs);
      }
    });
    await Promise.all(sending);
    return id;
  }

  private async orders(): Promise<BystanderOrders> {
    const names = Array.from({ length: BYSTANDERS }, () => `bystander-${crypto.randomUUID()}`);
    return {
      url: this.parley.url,
      socketUrl: this.parley.realtime.url,
      tokens: await Promise.all(names.map((user) => this.parley.tokenOf({ user }))),
    };
  }
}

interface Complaint {
  readonly sentence: string;
  readonly isLateness: boolean;
}

const broken = (seen: Seen): Complaint[] => {
  const bad = Object.entries(seen.answers).filter(([answer]) => !isGood(answer));
  const late = [
    seen.sends.p95 >= LAW.sendP95Ms ? `sends of others took ${seen.sends.p95} ms at P95` : undefined,
    // A loop that was not measured is not one that was quick.
    seen.loopDelayP99Ms < LAW.loopDelayP99Ms ? undefined : `the loop was late by ${seen.loopDelayP99Ms} ms at P99`,
  ];
  const other = [
    seen.sends.count === 0 ? 'no bystander sent anything' : undefined,
    bad.length > 0 ? `others were answered ${bad.map(([answer, count]) => `${answer} (${count})`).join(', ')}` : undefined,
    seen.grownMiB >= LAW.grownMiB ? `memory grew by ${seen.grownMiB} MiB` : undefined,
    seen.isSameProcess ? undefined : 'the process ended',
  ];
  return [
    ...late.filter((sentence) => sentence !== undefined).map((sentence) => ({ sentence, isLateness: true })),
    ...other.filter((sentence) => sentence !== undefined).map((sentence) => ({ sentence, isLateness: false })),
  ];
};

/** Appends what was seen to the file that `PARLEY_ATTACK_RESULTS` names, a line of JSON for each attack: the figures of docs/concepts/security.md. */
const writeDown = (seen: Seen): void => {
  const file = process.env['PARLEY_ATTACK_RESULTS'];
  if (file !== undefined) appendFileSync(file, `${JSON.stringify({ attack: expect.getState().currentTestName, ...seen })}\n`);
};

const isGood = (answer: string): boolean => Object.entries(GOOD).some(([asked, status]) => answer === `${asked} ${status}`);

const countsOf = (samples: readonly Sample[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { asked, status } of samples) counts[`${asked} ${status}`] = (counts[`${asked} ${status}`] ?? 0) + 1;
  return counts;
};

class Bystanders {
  private constructor(private readonly child: ReturnType<typeof fork>) {}

  static async start(orders: BystanderOrders): Promise<Bystanders> {
    const child = fork(join(projectRoot, 'dist', 'test', 'attacks', 'bystanders.js'), { execArgv: [] }); // Vitest's own would load sources
    await once(child, 'message', { signal: AbortSignal.timeout(20_000) });
    child.send(orders);
    return new Bystanders(child);
  }

  /** Lets the last questions be answered. */
  async stop(): Promise<readonly Sample[]> {
    this.child.send('stop');
    const [answer] = (await once(this.child, 'message', { signal: AbortSignal.timeout(30_000) })) as [{ samples: Sample[] }];
    return answer.samples;
  }

  /** A process that is left running would keep the test run from ending. */
  kill(): void {
    this.child.kill('SIGKILL');
  }
}

/** Looks at the resident memory of a process again and again, past its metrics: each look at those would begin a new window of the loop's delay. */
class MemoryWatch {
  private first: number | undefined;
  private highest = 0;
  private isLooking = true;
  private readonly looking: Promise<void>;

  constructor(pid: number | undefined) {
    this.looking = this.look(pid);
  }

  get grownMiB(): number {
    return Math.round((this.highest - (this.first ?? this.highest)) / 1_024);
  }

  async stop(): Promise<void> {
    this.isLooking = false;
    await this.looking;
  }

  private async look(pid: number | undefined): Promise<void> {
    while (this.isLooking) {
      const kib = await residentKib(pid).catch(() => undefined);
      this.first ??= kib;
      this.highest = Math.max(this.highest, kib ?? 0);
      await sleep(LOOK_EVERY_MS);
    }
  }
}

const residentKib = async (pid: number | undefined): Promise<number> =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]);
