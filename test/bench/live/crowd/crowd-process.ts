import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { projectRoot } from '#lib/devstack/project-root';
import { eventually } from '#lib/testing/eventually';
import type { Comeback, CrowdCounts, CrowdSpec } from './crowd.js';
import type { ConversationLog } from './member-log.js';
import type { CrowdAnswer, CrowdOrder, CrowdState } from './orders.js';

const ANSWER_WITHIN_MS = 30_000;
const OPEN_WITHIN_MS = 60_000;

/** The load generator as the benchmark sees it: members in a process of their own. */
export class CrowdProcess {
  private readonly child: ChildProcess;
  private lastId = 0;
  private readonly open = new Map<number, (answer: CrowdAnswer) => void>();

  private constructor(private readonly size: number) {
    this.child = fork(join(projectRoot, 'dist/test/bench/live/crowd/main.js'), { serialization: 'advanced' });
    this.child.on('message', (answer: CrowdAnswer) => this.open.get(answer.id)?.(answer));
  }

  /** Resolves when all members are open to messages. @throws when some are not within a minute. */
  static async open(spec: CrowdSpec): Promise<CrowdProcess> {
    const crowd = new CrowdProcess(spec.members.length);
    try {
      await crowd.order({ do: 'open', spec });
      await crowd.untilReady();
      return crowd;
    } catch (error) {
      crowd.kill();
      throw error;
    }
  }

  async untilReady(timeoutMs = OPEN_WITHIN_MS): Promise<void> {
    await eventually(
      async () => {
        const { ready } = await this.state();
        if (ready < this.size) throw new Error(`${ready} of ${this.size} members are connected`);
      },
      { timeoutMs, everyMs: 50, what: 'all members are connected' },
    );
  }

  state = () => this.order({ do: 'state' }) as Promise<CrowdState>;
  logs = () => this.order({ do: 'logs' }) as Promise<readonly ConversationLog[]>;
  holdBack = () => this.order({ do: 'hold back' });
  letGo = (head: number) => this.order({ do: 'let go', head });
  comeback = () => this.order({ do: 'comeback' }) as Promise<Comeback>;
  counts = (heads: readonly number[]) => this.order({ do: 'counts', heads }) as Promise<CrowdCounts>;

  /** Closes every socket and ends the process. */
  async close(): Promise<void> {
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    await this.order({ do: 'close' });
    this.child.disconnect();
    await gone;
  }

  private kill(): void {
    this.child.kill('SIGKILL');
  }

  private order(order: CrowdOrder): Promise<CrowdAnswer['result']> {
    this.lastId += 1;
    const id = this.lastId;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the load generator did not answer to ${order.do}`)), ANSWER_WITHIN_MS);
      this.open.set(id, ({ result, error }) => {
        clearTimeout(timer);
        this.open.delete(id);
        if (error === undefined) resolve(result);
        else reject(new Error(error));
      });
      this.child.send({ id, order });
    });
  }
}
