import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { z } from 'zod';
import { ClientFrame, closeCodes, ServerFrame, SOCKET_PATH, SUBPROTOCOL } from '#lib/contracts/socket';
import { settings } from '#lib/runtime/config/config';

const page = readFileSync('docs/reference/websocket.md', 'utf8');

/** Cells of the table under a heading, by the first one. */
const table = (heading: string): Map<string, string[]> => {
  const section = page.split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  const rows = section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .slice(1)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replaceAll('`', '')),
    );
  return new Map(rows.map(([name = '', ...rest]) => [name, rest]));
};

type Frame = z.ZodObject<{ readonly type: z.ZodLiteral<string> } & z.core.$ZodShape>;

/** Fields of each frame as the page writes them. */
const fieldsOf = (frames: readonly unknown[]): Record<string, string> =>
  Object.fromEntries(
    (frames as readonly Frame[]).map(({ shape: { type, ...fields } }) => [
      type.value,
      Object.entries(fields)
        .map(([name, field]) => ((field as z.ZodType).safeParse(undefined).success ? `${name}?` : name))
        .join(', '),
    ]),
  );

it.each([
  ['Frames of the client', ClientFrame.options],
  ['Frames of the server', ServerFrame.options],
])('the page lists the %s with their fields', (heading, frames) => {
  const listed = Object.fromEntries([...table(heading)].map(([type, [fields = '']]) => [type, fields]));
  expect(listed).toEqual(fieldsOf(frames));
});

it('the page lists the close codes', () => {
  expect([...table('Close codes').keys()].map(Number)).toEqual(Object.values(closeCodes));
});

it('the page names path and subprotocol, and the limits as they are by default', () => {
  expect(page).toContain(`${SOCKET_PATH}\`, subprotocol \`${SUBPROTOCOL}\``);
  const limits = table('Limits');
  const defaultOf = (name: keyof typeof settings): string => Number(settings[name].schema.parse(undefined)).toLocaleString('en');
  expect(limits.get('frame in')?.[0]).toBe(`${defaultOf('WS_MAX_FRAME_BYTES')} bytes`);
  expect(limits.get('unsent frames')?.[0]).toBe(`${defaultOf('WS_BUFFER_FRAMES')}, or ${defaultOf('WS_BUFFER_BYTES')} bytes`);
  expect(limits.get('sockets of one process')?.[0]).toBe(defaultOf('WS_MAX_SOCKETS'));
  expect(limits.get('time for a pong')?.[0]).toBe(`${settings.WS_PONG_TIMEOUT_MS.schema.parse(undefined) / 1_000} s`);
  expect(limits.get('first frame')?.[0]).toBe(`${settings.WS_HELLO_TIMEOUT_MS.schema.parse(undefined) / 1_000} s`);
});
