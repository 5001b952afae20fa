// Gives each service its own RabbitMQ user with just the permissions it needs: `node import-definitions.mjs`.
// RABBITMQ_MANAGEMENT_URL is the management API with an administrator in it. Passwords are not in definitions.json: each user's comes
// from RABBITMQ_PASSWORD_<NAME> (RABBITMQ_PASSWORD_PARLEY_GATEWAY). RABBITMQ_VHOST: where, `parley` unless given. Safe to repeat.
import { readFileSync } from 'node:fs';

const WITHIN_MS = 15_000;
const target = process.env.RABBITMQ_MANAGEMENT_URL;
if (!target) stop('RABBITMQ_MANAGEMENT_URL is not set, for example http://parley:password@rabbitmq:15672');
const { origin, username, password } = new URL(target);

const definitions = JSON.parse(readFileSync(new URL('definitions.json', import.meta.url), 'utf8'));
const vhost = process.env.RABBITMQ_VHOST || 'parley';
definitions.vhosts = [{ name: vhost }];
definitions.permissions = definitions.permissions.map((permission) => ({ ...permission, vhost }));
definitions.users = definitions.users.map((user) => ({ ...user, password: passwordOf(user.name) }));

const answer = await fetch(`${origin}/api/definitions`, {
  method: 'POST',
  headers: {
    authorization: `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`,
    'content-type': 'application/json',
  },
  body: JSON.stringify(definitions),
  signal: AbortSignal.timeout(WITHIN_MS),
});
if (!answer.ok) stop(`RabbitMQ answered ${answer.status}: ${(await answer.text()).slice(0, 500)}`);
console.log(`users with their permissions: ${definitions.users.map(({ name }) => name).join(', ')}`);

function passwordOf(name) {
  const variable = `RABBITMQ_PASSWORD_${name.toUpperCase().replaceAll('-', '_')}`;
  return process.env[variable] || stop(`${variable} is not set: each user has a password of its own`);
}

function stop(message) {
  console.error(message);
  process.exit(1);
}
