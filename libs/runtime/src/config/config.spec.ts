import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { projectRoot } from '#lib/devstack/project-root';
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
    ['CORS_ORIGINS', 'https://app.example/'],
    ['CORS_ORIGINS', 'https://app.example,app.example'],
    ['CORS_ORIGINS', 'https://*.example'],
    ['FCM_SERVICE_ACCOUNT', 'no JSON'],
    ['FCM_SERVICE_ACCOUNT', '{"project_id":"p","client_email":"e"}'],
    [
      'FCM_SERVICE_ACCOUNT',
      '{"project_id":"p","client_email":"e","private_key":"-----BEGIN PRIVATE KEY-----\\nMIIB\\n-----END PRIVATE KEY-----"}',
    ],
    ['PUSH_CONTENT', 'some'],
  ])('refuses %s=%s', (name, value) => {
    expect(problemsOf({ ...required, [name]: value })).toEqual([expect.stringContaining(`${name}: `)]);
  });

  it.each([
    [{ EMBEDDING_PROVIDER: 'ollama' }, ['EMBEDDING_MODEL']],
    [{ EMBEDDING_PROVIDER: 'openai' }, ['EMBEDDING_MODEL', 'EMBEDDING_API_KEY']],
    [{ EMBEDDING_PROVIDER: 'openai', EMBEDDING_MODEL: 'm', EMBEDDING_BASE_URL: 'http://own.example' }, []],
    [{ EMBEDDING_PROVIDER: 'transformers' }, ['EMBEDDING_MODEL_DIR']],
    [{ EMBEDDING_PROVIDER: 'ollama', PORT: 'eighty' }, ['PORT', 'EMBEDDING_MODEL']],
    [{ ONESIGNAL_APP_ID: '9b1c4f0e-5a8f-4a53-9c3b-2f6f1f6f8a10' }, ['ONESIGNAL_API_KEY']],
    [{ ONESIGNAL_API_KEY: 'k' }, ['ONESIGNAL_APP_ID']],
  ])('lists with the rest what %j needs besides', (env, names) => {
    expect(problemsOf({ ...required, ...env }).map((problem) => problem.split(':')[0])).toEqual(names);
  });

  it('refuses a key that an attacker would try first', () => {
    expect(problemsOf({ ...required, AUTH_JWT_SECRET: 'change-me-change-me-change-me-change-me' })).toEqual([
      expect.stringMatching(/^AUTH_JWT_SECRET: is a default from documentation.*openssl rand/),
    ]);
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
    const secret = randomBytes(32).toString('hex');

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
      AUTH_JWT_SECRET: `hunter2-${randomBytes(32).toString('hex')}`,
      EMBEDDING_API_KEY: 'hunter2',
      GOOGLE_CHAT_WEBHOOK_URL: 'https://chat.example/v1/spaces/hunter2/messages?key=a&token=b',
      ALERT_WEBHOOK_URL: 'https://hooks.example/services/hunter2',
    }),
  );

  it('hides every secret, and keeps of URLs what helps to find a mistake', () => {
    expect(JSON.stringify(shown)).not.toContain('hunter2');
    expect(shown).toMatchObject({
      DATABASE_URL: 'postgres://***:***@db:5432/parley?sslmode=require&password=***',
      CHROMA_URL: 'http://***:***@chroma:8000/',
      GOOGLE_CHAT_WEBHOOK_URL: '***',
      ALERT_WEBHOOK_URL: '***',
    });
  });

  it('shows everything else as it is, and what is not set as null', () => {
    expect(shown).toMatchObject({ PORT: 8080, HOST: '0.0.0.0', REDIS_URL: null });
  });
});

describe('the settings', () => {
  it('are all read somewhere: one that nothing reads would be documented as working', () => {
    const sources = ['apps', 'libs']
      .flatMap((folder) =>
        readdirSync(join(projectRoot, folder), { recursive: true, encoding: 'utf8' }).map((file) => join(projectRoot, folder, file)),
      )
      .filter(
        (file) => file.endsWith('.ts') && !/\.(spec|int-spec|contract)\.ts$|runtime\/src\/config(-docs)?\.ts$|libs\/testing\//.test(file),
      )
      .map((file) => readFileSync(file, 'utf8').replaceAll(/^\s*(\*|\/\/|\/\*).*$/gm, ''));
    const readBy = (name: string) => sources.some((text) => new RegExp(`\\b${name}\\b`).test(text));
    expect(Object.keys(settings).filter((name) => !readBy(name))).toEqual([]);
  });
});
