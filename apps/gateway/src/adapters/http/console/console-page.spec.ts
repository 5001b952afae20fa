import { expect, it } from 'vitest';
import { consolePolicy, realtimeUrl } from './console-page.js';

const derived = (host: string | undefined) => realtimeUrl({ CONSOLE_REALTIME_URL: undefined }, host);

it('the WebSocket is one port above the page, under the name by which the page was asked for', () => {
  expect(derived('localhost:8080')).toBe('ws://localhost:8081/v1/ws');
  expect(derived('[::1]:9000')).toBe('ws://[::1]:9001/v1/ws');
  expect(derived('parley.example')).toBe('ws://parley.example:81/v1/ws');
});

it('a setting says where the WebSocket is instead', () => {
  expect(realtimeUrl({ CONSOLE_REALTIME_URL: 'wss://live.example/v1/ws' }, 'localhost:8080')).toBe('wss://live.example/v1/ws');
});

it('a Host header that is no host gets into no policy', () => {
  for (const host of [
    undefined,
    '',
    'a b',
    "x; script-src 'unsafe-inline'",
    'a,b',
    'a:b',
    'host:65535',
    'host:99999999',
    '999.1.1.1:8080',
    '1.2.3.4.5',
    '[a]:80',
    `${'a'.repeat(300)}:80`,
  ]) {
    expect([host, derived(host)]).toEqual([host, undefined]);
  }
});

it('the policy of the console allows its own files and the WebSocket, no inline script or style, and no other host', () => {
  expect(consolePolicy('ws://localhost:8081/v1/ws')).toBe(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws://localhost:8081; " +
      "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  );
});
