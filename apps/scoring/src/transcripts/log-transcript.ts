import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import type { LogEntry } from '#lib/contracts/scores';
import type { Transcript, Turn } from '#lib/scores/transcript';
import { newestTurns } from './newest-turns.js';

/** More than any log unpacks to: the largest body that a gateway can be made to take, and its line ends. */
const MAX_UNPACKED_BYTES = 134_217_728;
const LINE_END = 0x0a;
/** Where a line says its role: `{"role":"user"` or `{"role":"bot"`, as conversation-end-body.ts of the gateway writes it. */
const ROLE_AT = 9;
const USER = 'u'.charCodeAt(0);

const unpack = promisify(gunzip);

/** What is scored of a log (gzipped NDJSON). Only the lines that fit are parsed; unpacking happens off the event loop. */
export const transcriptOfLog = async (log: Buffer): Promise<Pick<Transcript, 'turns' | 'turnCounts' | 'fingerprint'>> => {
  const lines = await unpack(log, { maxOutputLength: MAX_UNPACKED_BYTES });
  const fingerprint = createHash('sha256').update(log).digest('hex');
  return { turns: newestTurns(turnsFromTheEnd(lines)), turnCounts: countsOf(lines), fingerprint };
};

const countsOf = (lines: Buffer): Transcript['turnCounts'] => {
  const counts = { user: 0, bot: 0 };
  for (let start = 0; start < lines.length; start = endOfLine(lines, start) + 1) {
    if (lines[start + ROLE_AT] === USER) counts.user += 1;
    else counts.bot += 1;
  }
  return counts;
};

const endOfLine = (lines: Buffer, start: number): number => {
  const end = lines.indexOf(LINE_END, start);
  return end < 0 ? lines.length : end;
};

function* turnsFromTheEnd(lines: Buffer): Generator<Turn> {
  let end = lines.length - 1;
  while (end > 0) {
    const start = lines.lastIndexOf(LINE_END, end - 1) + 1;
    const { role, content } = JSON.parse(lines.toString('utf8', start, end)) as LogEntry;
    yield { role, content };
    end = start - 1;
  }
}
