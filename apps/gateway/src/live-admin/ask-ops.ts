import type { ControlChannelPort } from '#lib/bus/control/control-channel.port';
import type { ControlAnswer } from '#lib/contracts/control';
import { UnknownToSource } from './section-source.js';

/** What `ops` alone knows. */
type OpsQuestion = 'alerts' | 'scaling' | 'measurements';
type Known<Q extends OpsQuestion> = NonNullable<ControlAnswer<Q>>;

/** Asks `ops`; of several processes the one that looked last counts. Callers within `keptMs` share an answer. */
export class AskOps<Q extends OpsQuestion> {
  private last: { readonly answer: Promise<Known<Q>>; readonly askedAt: number } | undefined;

  constructor(
    private readonly control: ControlChannelPort,
    private readonly question: Q,
    private readonly keptMs: number,
  ) {}

  /** Settles within 1.5 s. @throws UnknownToSource when no process of ops answers. */
  execute(): Promise<Known<Q>> {
    const now = performance.now();
    if (this.last === undefined || now - this.last.askedAt >= this.keptMs) this.last = { answer: this.ask(), askedAt: now };
    return this.last.answer;
  }

  private async ask(): Promise<Known<Q>> {
    const { processes, others } = await this.control.ask(this.question);
    const answers = processes.flatMap((each) => (each.silent || each.answer === null ? [] : [each.answer as Known<Q>]));
    const [newest] = answers.toSorted((one, other) => other.at.localeCompare(one.at));
    if (newest !== undefined) return newest;
    throw new UnknownToSource(
      others === 'unreachable' ? 'RabbitMQ does not pass the question on to ops.' : 'No process of the service ops answers.',
    );
  }
}
