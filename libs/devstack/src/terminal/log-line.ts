import pc from 'picocolors';
import { withoutMiddle } from './table.js';

/** Fields that come first, in this order; the others follow as the service wrote them. */
const FIRST = [
  'event',
  'queue',
  'outcome',
  'attempt',
  'method',
  'route',
  'status',
  'code',
  'durationMs',
  'requestId',
  'conversationId',
  'messageId',
];
/** Shown already, or of no use in a terminal; the file has them. */
const NOT_SHOWN = new Set([
  'time',
  'level',
  'message',
  'msg',
  'err',
  'service',
  'pid',
  'hostname',
  'traceId',
  'spanId',
  'traceparent',
  'v',
]);
/** A field that is longer tells its beginning and its end. */
const LONGEST_FIELD = 120;
const COLOURS = [pc.cyan, pc.magenta, pc.blue, pc.green, pc.yellow];
const NAME_WIDTH = 10;

/**
 * One line of a service made readable: time, service, level, message, its fields. A line that is not JSON comes through as it is.
 * An error follows on lines of its own: with its stack, of a warning without, because what is tried again needs no reader of stacks.
 */
export function readableLine(service: string, line: string): string {
  const entry = parsed(line);
  if (entry === undefined) return [clock(new Date()), nameTag(service), line].join(' ');
  const { time, level, message, msg, err } = entry;
  const others = Object.keys(entry).filter((name) => !FIRST.includes(name) && !NOT_SHOWN.has(name));
  const fields = [...FIRST, ...others]
    .filter((name) => entry[name] !== undefined && entry[name] !== null)
    .map((name) => pc.dim(`${name}=`) + withoutMiddle(plain(entry[name]), LONGEST_FIELD));
  const head = [clock(timeOf(time)), nameTag(service), levelTag(plain(level ?? 'info')), plain(message ?? msg ?? ''), ...fields];
  return head.filter(Boolean).join(' ') + errorLines(err, { withStack: level !== 'warn' });
}

/** Whether the line reports something that needs an operator: warn and above, or anything that is not JSON. */
export function needsAttention(line: string): boolean {
  const level = parsed(line)?.['level'];
  return level === undefined || ['warn', 'error', 'fatal'].includes(plain(level));
}

/** The label in front of a service's lines, in a colour that stays the same for its name. */
export function nameTag(name: string): string {
  const sum = Buffer.from(name).reduce((total, byte) => total + byte, 0);
  const colour = COLOURS[sum % COLOURS.length] ?? pc.cyan;
  return colour(name.padEnd(NAME_WIDTH));
}

/** Time of day, to the second, in the terminal's own time zone. */
export function clock(at: Date): string {
  return pc.dim(at.toLocaleTimeString('en-GB'));
}

function parsed(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function timeOf(time: unknown): Date {
  const at = typeof time === 'string' || typeof time === 'number' ? new Date(time) : new Date();
  return Number.isNaN(at.getTime()) ? new Date() : at;
}

function levelTag(level: string): string {
  const tag = level.padEnd(5);
  if (level === 'error' || level === 'fatal') return pc.red(tag);
  return level === 'warn' ? pc.yellow(tag) : pc.dim(tag);
}

function errorLines(err: unknown, { withStack }: { readonly withStack: boolean }): string {
  if (typeof err !== 'object' || err === null) return '';
  const { stack, message } = err as Record<string, unknown>;
  const text = typeof stack === 'string' ? stack : typeof message === 'string' ? message : JSON.stringify(err);
  const shown = withStack ? text : text.replace(/\n\s+at .*$/s, '');
  return `\n${pc.dim(shown.replaceAll(/^/gm, '    '))}`;
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
