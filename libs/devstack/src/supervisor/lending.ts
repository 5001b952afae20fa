import { join } from 'node:path';
import type { Home } from '../home/home.js';
import { findLeftovers, serviceRunFolder, stopLeftovers } from '../home/leftovers.js';
import { lockHolder } from '../process/lock-file.js';
import { goneWithin, type ProcessIdentity, signal } from '../process/process-identity.js';
import type { PrivateServer } from '../process/server-process.js';

const LOOK_EVERY_MS = 250;
/** Longer than `npm run dev` gives the process that it watches. */
const GIVEN_BACK_WITHIN_MS = 15_000;

/** Held by the `npm run dev` that wants this service, for as long as it wants it. */
export const loanFile = (home: Home, service: string): string => join(serviceRunFolder(home), `${service}.dev`);

/** What {@link Lending} needs of the supervisor. */
export interface Lender {
  readonly home: Home;
  readonly services: ReadonlyMap<string, PrivateServer>;
  /** Starts a service again, now and then until it is up. */
  readonly bringBack: (service: PrivateServer) => Promise<void>;
  readonly tell: (line: string) => void;
  /** Called when a service was lent or has come back. */
  readonly changed: () => void;
}

/**
 * Hands services to `npm run dev` and takes them back. A living process that holds the loan file of a service has it; when the file is gone,
 * or its holder is, however it went, the supervisor runs the service again.
 *
 *   supervised ──a loan file──▶ stopping ──▶ lent ──no holder──▶ supervised
 *                                            ▲  │ another holder
 *                                            └──┘
 */
export class Lending {
  private readonly loans = new Map<string, { readonly to: ProcessIdentity; isStopped: boolean }>();
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;

  constructor(private readonly lender: Lender) {}

  begin(): void {
    this.timer = setInterval(() => void this.look(), LOOK_EVERY_MS);
  }

  /** Whether the supervisor must leave this service alone. */
  isLent(service: string): boolean {
    return this.loans.has(service);
  }

  /** Who runs this service instead; undefined until the supervised process is gone. */
  borrowerOf(service: string): ProcessIdentity | undefined {
    const loan = this.loans.get(service);
    return loan?.isStopped === true ? loan.to : undefined;
  }

  /** Ends what was lent, in order: a service must not outlive what it stands on. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
    const borrowers = [...this.loans.values()].map(({ to }) => to);
    for (const { pid } of borrowers) signal(pid, 'SIGTERM');
    await goneWithin(GIVEN_BACK_WITHIN_MS, borrowers);
    for (const service of this.loans.keys()) await this.clearUpAfter(service);
  }

  /** One look at a time; a drain may take longer than the time between two. */
  private look(): Promise<void> {
    return (this.looking ??= this.lookAtAll().finally(() => (this.looking = undefined)));
  }

  private async lookAtAll(): Promise<void> {
    for (const [name, service] of this.lender.services) {
      const borrower = await lockHolder(loanFile(this.lender.home, name));
      const loan = this.loans.get(name);
      if (borrower !== undefined && loan === undefined) await this.lend(name, service, borrower);
      else if (borrower !== undefined && loan !== undefined && !isSame(borrower, loan.to)) await this.passOn(name, borrower);
      else if (borrower === undefined && loan !== undefined) await this.takeBack(name, service);
    }
  }

  private async lend(name: string, service: PrivateServer, to: ProcessIdentity): Promise<void> {
    const loan = { to, isStopped: false };
    this.loans.set(name, loan);
    this.lender.tell(`${name} goes to npm run dev (pid ${to.pid})`);
    await service.stop();
    loan.isStopped = true;
    this.lender.changed();
  }

  /** Given back and asked for by the next one between two looks. */
  private async passOn(name: string, to: ProcessIdentity): Promise<void> {
    await this.clearUpAfter(name);
    this.loans.set(name, { to, isStopped: true });
    this.lender.tell(`${name} goes to the next npm run dev (pid ${to.pid})`);
    this.lender.changed();
  }

  private async takeBack(name: string, service: PrivateServer): Promise<void> {
    await this.clearUpAfter(name);
    this.loans.delete(name);
    this.lender.tell(`${name} comes back from npm run dev; starting it`);
    await this.lender.bringBack(service);
  }

  /** A borrower that was killed leaves its process behind, on the port of the service. */
  private async clearUpAfter(name: string): Promise<void> {
    await stopLeftovers((await findLeftovers(this.lender.home)).filter((each) => each.kind === 'service' && each.name === name));
  }
}

const isSame = (one: ProcessIdentity, other: ProcessIdentity): boolean => one.pid === other.pid && one.startedAt === other.startedAt;
