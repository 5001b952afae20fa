import type { ServiceRow } from '../services.js';

/** A port that something wants to listen on. */
export interface PortWish {
  readonly name: string;
  readonly port: number;
  /** The variable that changes this port alone. */
  readonly variable: string;
  /** Whether the next free port will do: true for private servers whose port the caller did not name. */
  readonly mayMove: boolean;
}

/** Ports by the names of the wishes. */
export type PortPlan = ReadonlyMap<string, number>;

/** What the planning asks the machine. */
export interface Machine {
  readonly isFree: (port: number) => Promise<boolean>;
  /** Who listens there, in words; undefined when that cannot be known. */
  readonly ownerOf: (port: number) => string | undefined;
}

const DEFAULT_BASE = 8080;
const STANDARD_MANAGEMENT_PORT = 15_672;

/** A port variable that makes no sense, or ports that are taken; the message says what to change. */
export class PortProblem extends Error {}

/**
 * The ports that the environment asks for: services from PARLEY_PORT_BASE on, private servers 30 above it, so that they never meet
 * the standard ports of servers that already run. @throws PortProblem with a line for each variable that is not a port.
 */
export function portWishes(rows: readonly Pick<ServiceRow, 'name' | 'portOffset'>[], env: NodeJS.ProcessEnv): PortWish[] {
  const problems: string[] = [];
  const portFrom = (variable: string) => {
    const port = parsePort(env, variable);
    if (typeof port === 'number' || port === undefined) return port;
    problems.push(port.problem);
    return undefined;
  };
  const base = portFrom('PARLEY_PORT_BASE') ?? DEFAULT_BASE;
  const shifted = STANDARD_MANAGEMENT_PORT + base - DEFAULT_BASE;
  const servers: [name: string, port: number][] = [
    ['postgres', base + 30],
    ['rabbitmq', base + 31],
    ['rabbitmq-management', shifted > 65_535 ? base + 36 : shifted],
    ['rabbitmq-distribution', base + 32],
    ['rabbitmq-names', base + 33],
    ['redis', base + 34],
    ['chroma', base + 35],
  ];
  const wish = (name: string, port: number, mayMove: boolean): PortWish => {
    const variable = `PARLEY_${name.toUpperCase().replaceAll('-', '_')}_PORT`;
    const asked = portFrom(variable);
    return { name, port: asked ?? port, variable, mayMove: mayMove && asked === undefined };
  };
  const wishes = [
    ...rows.map(({ name, portOffset }) => wish(name, base + portOffset, false)),
    ...servers.map(([name, port]) => wish(name, port, true)),
  ];
  const tooHigh = wishes.find(({ port }) => port > 65_535);
  if (tooHigh !== undefined) problems.push(`PARLEY_PORT_BASE=${base} is too high: ${tooHigh.name} would get port ${tooHigh.port}`);
  if (problems.length > 0) throw new PortProblem(problems.join('\n'));
  return wishes;
}

/**
 * Gives every wish its port, or the next free one where it may move. @throws PortProblem that lists every port that is taken,
 * who has it and what to change.
 */
export async function planPorts(wishes: readonly PortWish[], { isFree, ownerOf }: Machine): Promise<PortPlan> {
  const plan = new Map<string, number>();
  const problems: string[] = [];
  const wished = new Set(wishes.map(({ port }) => port));
  // Those that cannot move first, so that no other moves onto their port.
  for (const wish of [...wishes].sort((a, b) => Number(a.mayMove) - Number(b.mayMove))) {
    const given = new Set(plan.values());
    // Past what others wish for, so that one taken port moves one server and not all after it.
    const usable = async (port: number) => !given.has(port) && (port === wish.port || !wished.has(port)) && (await isFree(port));
    let { port } = wish;
    if (wish.mayMove) while (!(await usable(port)) && port < 65_535) port += 1;
    else if (given.has(port)) problems.push(`port ${port} is asked for twice: change ${wish.variable}`);
    else if (!(await isFree(port))) problems.push(takenBy(ownerOf(port), wish));
    plan.set(wish.name, port);
  }
  if (problems.length > 0) throw new PortProblem(problems.join('\n'));
  return plan;
}

function takenBy(owner: string | undefined, { name, port, variable }: PortWish): string {
  return `port ${port} for ${name} is taken${owner === undefined ? '' : ` by ${owner}`}: set PARLEY_PORT_BASE to shift all ports, or ${variable} for this one`;
}

function parsePort(env: NodeJS.ProcessEnv, variable: string): number | undefined | { readonly problem: string } {
  const text = env[variable]?.trim();
  if (text === undefined || text === '') return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  return { problem: `${variable}=${text} is not a port: it must be a whole number from 1 to 65535` };
}
