import { describe, expect, it } from 'vitest';
import type { PlannedDependency } from './dependencies.js';
import { environmentFor, migrationEnvironment } from './service-environment.js';
import { processes } from '../services.js';

const urls = {
  DATABASE_URL: 'postgres://parley:admin-1@127.0.0.1:1/parley',
  RABBITMQ_URL: 'amqp://parley:admin-2@127.0.0.1:2/parley',
  RABBITMQ_MANAGEMENT_URL: 'http://parley:admin-2@127.0.0.1:3',
};
const from = (origin: PlannedDependency['origin']) => ({
  environment: { ...urls, CHROMA_URL: 'http://chroma' },
  dependencies: [
    { name: 'postgres', origin, url: urls.DATABASE_URL },
    { name: 'rabbitmq', origin, url: urls.RABBITMQ_URL, managementUrl: urls.RABBITMQ_MANAGEMENT_URL },
  ] as const,
});
const loginOf = (url: string | undefined) => new URL(url ?? '').username;

describe('the logins of the services on servers of ours', () => {
  const services = [...processes.services.map(({ app }) => app), 'cli'];

  it.each(services)("%s has its own and never an administrator's", (service) => {
    const environment = environmentFor(service, from('local'));
    expect(JSON.stringify(environment)).not.toMatch(/admin-[12]/);
    expect(loginOf(environment['DATABASE_URL'])).toBe(`parley_${service}`);
    expect(loginOf(environment['RABBITMQ_URL'])).toBe(`parley-${service}`);
    expect(loginOf(environment['RABBITMQ_MANAGEMENT_URL'])).toBe('parley-monitor');
    expect(environment['CHROMA_URL']).toBe('http://chroma');
  });

  it('have a password each', () => {
    const environments = services.map((service) => environmentFor(service, from('local')));
    const passwords = environments
      .flatMap((each) => [each['DATABASE_URL'], each['RABBITMQ_URL']])
      .map((url) => new URL(url ?? '').password);
    expect(new Set(passwords).size).toBe(passwords.length);
    expect(environmentFor('ops', from('docker'))).toEqual(environmentFor('ops', from('local')));
  });

  it('are made by the step that migrates, which alone has the role that owns the tables', () => {
    expect(migrationEnvironment(from('local'))).toMatchObject({
      DATABASE_URL: urls.DATABASE_URL,
      DB_ROLE_PASSWORDS: expect.stringMatching(/^gateway=.+,realtime=.+,embedding=.+,ops=.+,cli=.+$/),
    });
  });

  it("are the caller's own on servers that the caller named", () => {
    expect(environmentFor('gateway', from('env'))).toEqual(from('env').environment);
    expect(migrationEnvironment(from('env'))).toEqual(from('env').environment);
  });
});
