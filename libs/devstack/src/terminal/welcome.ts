import pc from 'picocolors';
import { consoleLink } from '#lib/devstack/console-link';
import { mintToken } from '#lib/devstack/mint-token';
import { isCheckout } from '../installation.js';
import { SOCKET_PATH } from '#lib/contracts/socket';
import type { StackState } from '#lib/devstack/home/state';
import { tableOf } from '#lib/devstack/terminal/table';
import { loginOf, withoutLogin } from '#lib/devstack/terminal/url-login';

const TOKEN_SECONDS = 24 * 3_600;

/** What is shown when the stack is ready: addresses, credentials, and lines to paste that send a first message. */
export async function welcome(state: StackState): Promise<string> {
  return [
    addresses(state),
    logins(state),
    await firstMessage(state),
    pc.dim(`${isCheckout ? 'A whole conversation: npm run demo · ' : ''}what runs: npx parley status · operate: npx parley --help`),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function socketUrl(url: string): string {
  return `${url.replace(/^http/, 'ws')}${SOCKET_PATH}`;
}

function addresses({ gatewayUrl, services, dependencies, embedded }: StackState): string {
  const others = services.filter(({ url }) => url !== gatewayUrl);
  return tableOf(
    ['what', 'where', 'origin'],
    [
      ['gateway', gatewayUrl, 'token: see below'],
      ['API by hand', `${gatewayUrl}/docs`, ''],
      ['health', `${gatewayUrl}/v1/health`, ''],
      ...others.map(({ name, app, url }) =>
        app === 'realtime' ? [name, socketUrl(url), 'npx parley listen'] : [name, `${url}/readyz`, 'and /metrics'],
      ),
      ...dependencies.map(({ name, url, origin }) => [name, withoutLogin(url), origin]),
      ...(embedded === undefined ? [] : [['queues, vectors', 'inside of the process', 'kept in postgres']]),
    ],
  );
}

/** Outside of the table, which leaves out the middle of what is too long: half a password is none. */
function logins({ dependencies, managementUrl }: StackState): string {
  const own = dependencies.filter(({ origin, url }) => origin !== 'env' && loginOf(url) !== '');
  const page = managementUrl === undefined ? [] : [`RabbitMQ UI  ${withoutLogin(managementUrl)}  ${loginOf(managementUrl)}`];
  return [...page, ...own.map(({ name, url }) => `${name.padEnd(12)} ${url}`)].join('\n');
}

async function firstMessage({ gatewayUrl, environment }: StackState): Promise<string> {
  const secret = environment['AUTH_JWT_SECRET'];
  if (secret === undefined) return 'Tokens come from your identity provider (AUTH_JWKS_URL); send one as `Authorization: Bearer ...`.';
  const token = await mintToken(secret, { user: 'alice', ttlSeconds: TOKEN_SECONDS });
  const admin = await mintToken(secret, { user: 'alice', scopes: ['admin'], ttlSeconds: TOKEN_SECONDS });
  const curl = 'curl -s -H "authorization: Bearer $TOKEN" -H \'content-type: application/json\'';
  return [
    `${pc.bold('Console')} (as alice, admin; others: npx parley console --user bob): ${consoleLink(gatewayUrl, admin)}`,
    `${pc.bold('Listen as bob')} (in another terminal): npx parley listen --user bob`,
    pc.bold('Write as alice (paste into a shell):'),
    `TOKEN='${token}'`,
    `ID=$(${curl} ${gatewayUrl}/v1/conversations -d '{"title":"Hello","memberIds":["bob"]}' | sed -E 's/.*"id":"([^"]+)".*/\\1/')`,
    `${curl} ${gatewayUrl}/v1/conversations/$ID/messages -d '{"content":"Hello Bob, shall we have coffee?"}'; echo`,
    // A message is found by its words a moment after its 202.
    `sleep 1; ${curl} "${gatewayUrl}/v1/search?q=coffee"; echo`,
  ].join('\n');
}
