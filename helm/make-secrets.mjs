// Prints the Secrets that a release needs, with a random password for each login: `node helm/make-secrets.mjs | kubectl -n parley create -f -`.
// Options: --release parley · --postgres host:port/database · --rabbitmq host:port/vhost · --rabbitmq-management host:port · --redis host:port.
// Left out, they are the servers of the chart (devServers). Passwords of servers that exist already: POSTGRES_PASSWORD, RABBITMQ_PASSWORD,
// REDIS_PASSWORD (administrators; users `parley`, or POSTGRES_USER and RABBITMQ_USER). A password is made anew at each run: keep what it printed.
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    release: { type: 'string', default: 'parley' },
    postgres: { type: 'string' },
    rabbitmq: { type: 'string' },
    'rabbitmq-management': { type: 'string' },
    redis: { type: 'string' },
  },
});
const { release } = values;
const servers = {
  postgres: values.postgres ?? `${release}-postgres:5432/parley`,
  rabbitmq: values.rabbitmq ?? `${release}-rabbitmq:5672/parley`,
  management: values['rabbitmq-management'] ?? `${release}-rabbitmq:15672`,
  redis: values.redis ?? `${release}-redis:6379`,
};
const vhost = servers.rabbitmq.split('/')[1];

const random = () => randomBytes(36).toString('base64url');
const given = (name) => process.env[name] || random();
const passwords = { postgres: given('POSTGRES_PASSWORD'), rabbitmq: given('RABBITMQ_PASSWORD'), redis: given('REDIS_PASSWORD') };
const jwtSecret = process.env.AUTH_JWT_SECRET || random();

const url = (protocol, user, password, rest) => `${protocol}://${user}:${encodeURIComponent(password)}@${rest}`;
const apps = ['gateway', 'realtime', 'embedding', 'scoring', 'delivery', 'ops'];
const roles = Object.fromEntries([...apps, 'cli'].map((app) => [app, random()]));
const users = Object.fromEntries([...apps, 'cli', 'monitor'].map((app) => [app, random()]));
const monitor = url('http', 'parley-monitor', users.monitor, servers.management);

const secrets = {
  ...Object.fromEntries(
    apps.map((app) => [
      app,
      {
        DATABASE_URL: url('postgres', `parley_${app}`, roles[app], servers.postgres),
        RABBITMQ_URL: url('amqp', `parley-${app}`, users[app], servers.rabbitmq),
        REDIS_URL: `redis://:${encodeURIComponent(passwords.redis)}@${servers.redis}`,
        ...(['gateway', 'realtime'].includes(app) && { AUTH_JWT_SECRET: jwtSecret }),
        ...(['gateway', 'ops'].includes(app) && { RABBITMQ_MANAGEMENT_URL: monitor }),
      },
    ]),
  ),
  migrate: {
    DATABASE_URL: url('postgres', process.env.POSTGRES_USER || 'parley', passwords.postgres, servers.postgres),
    RABBITMQ_URL: url('amqp', 'parley-ops', users.ops, servers.rabbitmq),
    DB_ROLE_PASSWORDS: Object.entries(roles)
      .map(([app, password]) => `${app}=${password}`)
      .join(','),
  },
  'rabbitmq-users': {
    RABBITMQ_MANAGEMENT_URL: url('http', process.env.RABBITMQ_USER || 'parley', passwords.rabbitmq, servers.management),
    ...Object.fromEntries(Object.entries(users).map(([app, password]) => [`RABBITMQ_PASSWORD_PARLEY_${app.toUpperCase()}`, password])),
  },
  keda: { RABBITMQ_HTTP_URL: `${monitor}/${vhost}` },
  'dev-servers': { POSTGRES_PASSWORD: passwords.postgres, RABBITMQ_DEFAULT_PASS: passwords.rabbitmq, REDIS_PASSWORD: passwords.redis },
};

const items = Object.entries(secrets).map(([name, stringData]) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: `${release}-${name}`, labels: { 'app.kubernetes.io/part-of': 'parley' } },
  type: 'Opaque',
  stringData,
}));
console.log(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, undefined, 2));
