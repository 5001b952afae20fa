import type { ProcessName } from '#lib/contracts/control';

/** At most `length` characters, so that a table fits 80 columns; `--json` has the whole. */
export const shortened = (text: string, length: number): string => (text.length <= length ? text : `${text.slice(0, length - 1)}…`);

/** A length of time in at most four characters: `20ms`, `7s`, `12m`, `3h`, `9d`. */
export const duration = (ms: number): string => {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`;
  const seconds = ms / 1_000;
  if (seconds < 100) return `${Math.round(seconds)}s`;
  if (seconds < 6_000) return `${Math.round(seconds / 60)}m`;
  if (seconds < 360_000) return `${Math.round(seconds / 3_600)}h`;
  return `${Math.round(seconds / 86_400)}d`;
};

/** How long ago an RFC 3339 time was. */
export const ago = (at: string, now = Date.now()): string => duration(now - Date.parse(at));

/** Names processes as short as they can be told apart: `embedding#42`, with the host only when there are several. */
export const processLabels = (processes: readonly ProcessName[]): ((process: ProcessName) => string) => {
  const hasHosts = new Set(processes.map(({ host }) => host)).size > 1;
  return ({ app, host, pid }) => (hasHosts ? `${app}@${shortened(host, 12)}#${pid}` : `${app}#${pid}`);
};
