import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ConfigError, parseConfig, redactedConfig, settings } from './config.js';

const required = {
  DATABASE_URL: 'postgres://parley:hunter2@db:5432/parley',
  RABBITMQ_URL: 'amqp://parley:hunter2@mq',
  CHROMA_URL: 'http://chroma:8000',
};

const problemsOf = (env: NodeJS.ProcessEnv): readonly string[] => {
  try {
    parseConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
};

describe('reading the configuration', () => {
  it('needs only the dependencies; everything else has a default', () => {
    expect(parseConfig(required)).toMatchObject({ ...required, PORT: 8080, LOG_LEVEL: 'info', RATE_LIMIT_PER_USER: 5 });
  });

  it('lists every problem at once, each with its variable and what it is for', () => {
    const problems = problemsOf({ RABBITMQ_URL: 'http://mq', PORT: 'eighty', LOG_LEVEL: 'loud', CHROMA_URL: required.CHROMA_URL });

    expect(problems.map((problem) => problem.split(':')[0])).toEqual(['PORT', 'LOG_LEVEL', 'DATABASE_URL', 'RABBITMQ_URL']);
    expect(problems[2]).toBe(`DATABASE_URL: is not set. ${settings.DATABASE_URL.doc}`);
    expect(problems[3]).toContain('must be a URL starting with amqp:// or amqps://');
    expect(problems[3]).toContain(settings.RABBITMQ_URL.doc);
  });

  it('takes an empty variable, or one of blanks, as not set', () => {
    expect(parseConfig({ ...required, PORT: '', RATE_LIMIT_PER_USER: ' ', REDIS_URL: '' })).toMatchObject({
      PORT: 8080,
      RATE_LIMIT_PER_USER: 5,
      REDIS_URL: undefined,
    });
  });

  it.each([
    ['PORT', '65536'],
    ['PORT', '80.5'],
    ['DB_STATEMENT_TIMEOUT_MS', '10001'],
    ['ML_EMBED_WORKERS', '5'],
    ['RATE_LIMIT_PER_USER', '-1'],
    ['AUTH_JWT_SECRET', 'too short'],
    ['REDIS_URL', 'localhost:6379'],
  ])('refuses %s=%s', (name, value) => {
    expect(problemsOf({ ...required, [name]: value })).toEqual([expect.stringContaining(`${name}: `)]);
  });

  it('never quotes a value, it may be a secret', () => {
    const secret = 'hunter2';

    expect(problemsOf({ ...required, DATABASE_URL: secret, AUTH_JWT_SECRET: secret, LOG_LEVEL: secret }).join()).not.toContain(secret);
  });
});

describe('a secret in a file', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'parley-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const file = (content: string): string => {
    const path = join(folder, 'secret');
    writeFileSync(path, content);
    return path;
  };

  it('is read without the line break at its end', () => {
    const secret = 's'.repeat(32);

    expect(parseConfig({ ...required, AUTH_JWT_SECRET_FILE: file(`${secret}\n`) }).AUTH_JWT_SECRET).toBe(secret);
  });

  it('also counts when the variable itself is there but empty', () => {
    expect(parseConfig({ ...required, DATABASE_URL: '', DATABASE_URL_FILE: file(required.DATABASE_URL) }).DATABASE_URL).toBe(
      required.DATABASE_URL,
    );
  });

  it('gives way to the variable itself', () => {
    expect(parseConfig({ ...required, DATABASE_URL_FILE: file('postgres://other/db') }).DATABASE_URL).toBe(required.DATABASE_URL);
  });

  it('is one problem when it cannot be read', () => {
    const { DATABASE_URL: _, ...others } = required;

    expect(problemsOf({ ...others, DATABASE_URL_FILE: '/does/not/exist' })).toEqual(['DATABASE_URL_FILE: cannot read /does/not/exist']);
  });

  it('is only for secrets', () => {
    expect(parseConfig({ ...required, LOG_LEVEL_FILE: file('debug') }).LOG_LEVEL).toBe('info');
  });
});

describe('showing the configuration', () => {
  const shown = redactedConfig(
    parseConfig({
      ...required,
      DATABASE_URL: 'postgres://parley:hunter2@db:5432/parley?sslmode=require&password=hunter2',
      CHROMA_URL: 'http://token:hunter2@chroma:8000',
      AUTH_JWT_SECRET: 'hunter2'.repeat(5),
      LLM_API_KEY: 'hunter2',
      GOOGLE_CHAT_WEBHOOK_URL: 'https://chat.example/spaces/x?key=hunter2&token=hunter2',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'https://me:hunter2@otel.example',
    }),
  );

  it('hides every secret, and keeps of URLs what helps to find a mistake', () => {
    expect(JSON.stringify(shown)).not.toContain('hunter2');
    expect(shown).toMatchObject({
      DATABASE_URL: 'postgres://***:***@db:5432/parley?sslmode=require&password=***',
      CHROMA_URL: 'http://***:***@chroma:8000/',
      GOOGLE_CHAT_WEBHOOK_URL: '***',
    });
  });

  it('shows everything else as it is, and what is not set as null', () => {
    expect(shown).toMatchObject({ PORT: 8080, HOST: '0.0.0.0', OBJECT_STORE_URL: 'file:///tmp/parley-objects', REDIS_URL: null });
  });
});
