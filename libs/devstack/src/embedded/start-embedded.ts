import { mkdirSync } from 'node:fs';
import pc from 'picocolors';
import { type Home, parleyHome } from '../home/home.js';
import { refuseForeignHome } from '../home/home-owner.js';
import { refuseBadEnvironment } from '../supervisor/check-environment.js';
import { runStack, startDetached } from '../supervisor/run-stack.js';
import { Terminal } from '../supervisor/terminal.js';
import { EmbeddedParley, embeddedServices, SERVER_VARIABLES } from './embedded-parley.js';

/** What `parley start` was given. */
export interface StartEmbeddedOptions {
  readonly detach?: boolean;
  /** Be the process in the background. */
  readonly background?: boolean;
  readonly trace?: boolean;
  /** Said first: why it is this mode that starts. */
  readonly reason?: string;
  /** Entry file and arguments of the command that starts it in the background. */
  readonly again: readonly string[];
}

/** What is said at start of what this mode is not. */
const NOT_HERE =
  'One process and a Postgres of its own: not here are several nodes, rolling updates and the RabbitMQ UI (docs/operate/embedded.md).';

/** Starts the embedded mode and stays in the foreground, or returns when it is ready in the background. */
export async function startEmbedded({
  detach = false,
  background = false,
  trace = false,
  reason,
  again,
}: StartEmbeddedOptions): Promise<void> {
  refuseBadEnvironment(embeddedServices, process.env);
  const home = parleyHome();
  refuseForeignHome(home, 'start');
  mkdirSync(home.folder, { recursive: true, mode: 0o711 }); // Postgres runs as another user when we are root and must pass through
  if (detach && reason !== undefined) process.stdout.write(`${reason}\n`);
  if (detach) await startDetached(home, [...again, '--background', ...(trace ? ['--trace'] : [])]);
  run(home, { isBackground: background, keepsTraces: trace, reason });
}

function run(home: Home, options: { isBackground: boolean; keepsTraces: boolean; reason: string | undefined }): void {
  const terminal = new Terminal(home, options.isBackground);
  if (options.reason !== undefined) terminal.say(options.reason);
  terminal.say(`${pc.bold('embedded mode')}: ${NOT_HERE}`);
  const ignored = SERVER_VARIABLES.filter((name) => process.env[name]);
  if (ignored.length > 0) terminal.say(pc.yellow(`${ignored.join(', ')}: not used in this mode`));
  const parley = new EmbeddedParley(home, process.env, terminal, {
    keepsTraces: options.keepsTraces,
    stopOrdered: () => running.orderStop(),
  });
  const running = runStack(
    { start: () => parley.start(), stop: () => parley.stop(), kill: () => parley.kill() },
    { terminal, isBackground: options.isBackground },
  );
}
