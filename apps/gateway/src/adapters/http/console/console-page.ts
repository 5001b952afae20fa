import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SOCKET_PATH } from '#lib/contracts/socket';
import type { Config } from '#lib/runtime/config/config';

/** How this Parley runs, for the console: token of a `'cluster' | 'embedded'`. */
export const CONSOLE_MODE = Symbol('CONSOLE_MODE');
export type ConsoleMode = 'cluster' | 'embedded';

/** `dist/console`, where the build puts the console. */
const FOLDER = join(import.meta.dirname, '../../../../../../console');

/** Files of the console with their content in their names. */
export const assetsFolder = (folder = FOLDER): string => join(folder, 'assets');

/** Whether this gateway has a console to serve. */
export const hasConsole = ({ CONSOLE }: Pick<Config, 'CONSOLE'>, folder = FOLDER): boolean =>
  CONSOLE === 'on' && existsSync(join(folder, 'index.html'));

/** Its one page, as the last build left it. */
export const consolePage = (): Promise<Buffer> => readFile(join(FOLDER, 'index.html'));

/** A name or an address with a port: nothing else of what a caller writes gets into a header. */
const HOST = /^(?<name>[a-z\d.-]{1,253}|\[[a-f\d:.]{2,45}\])(?::(?<port>\d{1,5}))?$/i;

/** The WebSocket of this Parley as the browser reaches it; undefined when the request does not say under which name it came. */
export function realtimeUrl({ CONSOLE_REALTIME_URL }: Pick<Config, 'CONSOLE_REALTIME_URL'>, host: string | undefined): string | undefined {
  if (CONSOLE_REALTIME_URL !== undefined) return CONSOLE_REALTIME_URL;
  const { name, port = '80' } = HOST.exec(host ?? '')?.groups ?? {};
  const url = `ws://${name}:${Number(port) + 1}${SOCKET_PATH}`;
  // `999.1.1.1` looks like an address and is none.
  return name !== undefined && URL.canParse(url) ? url : undefined;
}

/** What the page of the console may do: run and load what this gateway serves, ask it and `realtime`, and nothing else. */
export function consolePolicy(realtime: string | undefined): string {
  const origins = realtime === undefined ? '' : ` ${new URL(realtime).protocol}//${new URL(realtime).host}`;
  return (
    `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'${origins}; font-src 'self'; ` +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
  );
}
