import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { environmentProblems, refuseBadEnvironment } from './check-environment.js';
import { processes } from '../services.js';

describe('what the environment asks of npm start', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'parley-environment-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const problemsOf = (env: NodeJS.ProcessEnv) => environmentProblems(processes.services, { PARLEY_HOME: folder, ...env });
  const namesOf = (env: NodeJS.ProcessEnv) => problemsOf(env).map((problem) => problem.split(/[:=]/)[0]);

  it('may be nothing at all', () => {
    expect(problemsOf({})).toEqual([]);
  });

  it('is refused with every problem at once, settings and ports and home alike, with exit code 78', () => {
    writeFileSync(join(folder, 'file'), '');
    const env = {
      PARLEY_HOME: join(folder, 'file'),
      PARLEY_PORT_BASE: 'abc',
      PARLEY_REDIS_PORT: '99999',
      DATABASE_URL: 'nonsense',
      AUTH_JWT_SECRET: 'short',
      EMBEDDING_PROVIDER: 'ollama',
    };
    expect(namesOf(env)).toEqual([
      'PARLEY_HOME',
      'PARLEY_PORT_BASE',
      'PARLEY_REDIS_PORT',
      'DATABASE_URL',
      'AUTH_JWT_SECRET',
      'EMBEDDING_MODEL',
    ]);
    expect(() => refuseBadEnvironment(processes.services, env)).toThrow(expect.objectContaining({ exitCode: 78 }));
  });

  it('is refused where a time limit collides with the deadline of a route', () => {
    expect(problemsOf({ DB_STATEMENT_TIMEOUT_MS: '10000' }).join()).toContain('timeouts collide');
  });

  it('is refused where a secret file cannot be read, or a URL is one of something else', () => {
    expect(namesOf({ DATABASE_URL_FILE: join(folder, 'nothing'), RABBITMQ_URL: 'http://mq' })).toEqual([
      'DATABASE_URL_FILE',
      'RABBITMQ_URL',
    ]);
  });
});
