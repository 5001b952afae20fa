import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, runCommand, runOrThrow } from '../process/commands.js';
import { projectRoot } from '../project-root.js';
import type { DependencyName } from './programs.js';

/** Longest wait for the engine's answer; a client without an engine fails in a quarter of a second. */
const ANSWER_WITHIN_MS = 3_000;
/** Pulling four images takes minutes on a slow line. */
const UP_WITHIN_MS = 600_000;
const DOWN_WITHIN_MS = 60_000;

/** Whether a Docker engine with the compose plugin answers. */
export async function dockerAnswers(): Promise<boolean> {
  if (findProgram('docker') === undefined) return false;
  const questions = [
    ['info', '--format', '{{.ServerVersion}}'],
    ['compose', 'version'],
  ].map((args) => runCommand('docker', args, { timeoutMs: ANSWER_WITHIN_MS }).catch(() => undefined));
  return (await Promise.all(questions)).every((answer) => answer?.code === 0);
}

/** A compose project name that belongs to this folder alone, so that several stacks run side by side. */
export function composeProjectOf(folder: string): string {
  return `parley-${createHash('sha256').update(folder).digest('hex').slice(0, 8)}`;
}

/**
 * Servers in containers, by docker/compose.yaml. It is written from the documentation of compose and of the images: no engine
 * was at hand where it was made, so it has been checked for its syntax only.
 */
export class ComposeProject {
  constructor(
    readonly name: string,
    /** Ports and passwords, under the names that docker/compose.yaml asks for. */
    private readonly settings: Readonly<Record<string, string>>,
  ) {}

  /** Starts these services and waits until their health checks pass. @throws with what compose said. */
  async up(services: readonly DependencyName[]): Promise<void> {
    await this.compose(['up', '--detach', '--wait', '--quiet-pull', ...services], UP_WITHIN_MS);
  }

  /** Removes the containers and keeps the volumes with the data, unless told otherwise. */
  async down({ withData = false } = {}): Promise<void> {
    await this.compose(['down', '--timeout', '20', ...(withData ? ['--volumes'] : [])], DOWN_WITHIN_MS);
  }

  private async compose(args: readonly string[], timeoutMs: number): Promise<void> {
    const file = join(projectRoot, 'docker', 'compose.yaml');
    // Compose wants every secret that the file names, also those of services that we do not start in it.
    const names = [...readFileSync(file, 'utf8').matchAll(/\$\{([A-Z_]+):\?/g)].map(([, name = '']) => name);
    const unused = Object.fromEntries(names.map((name) => [name, 'not-started-here']));
    await runOrThrow('docker', ['compose', '--project-name', this.name, '--file', file, ...args], {
      timeoutMs,
      env: { ...unused, ...process.env, ...this.settings },
    });
  }
}
