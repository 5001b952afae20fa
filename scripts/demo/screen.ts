import pc from 'picocolors';
import type { SearchResults } from '#lib/contracts/http';
import { duration } from '../../apps/cli/src/output/cells.js';
import { tableOf } from '#lib/devstack/terminal/table';
import { type Audience, LOOK_EVERY_MS, type PlayedMessage, type PlayedOutage } from './play.js';
import type { PlayedReceipt } from './receipts.js';
import type { Spread, Summary } from './summary.js';

/** One search of the demo with what it found. */
export interface PlayedSearch {
  readonly query: string;
  readonly mode: 'hybrid' | 'dense' | 'sparse';
  readonly shows: string;
  readonly results: SearchResults;
}

const HITS_SHOWN = 3;

/** Shows the demo to a person: colours and a line that counts along in a terminal, plain lines anywhere else. */
export class Screen implements Audience {
  private acceptedCount = 0;
  private embeddedCount = 0;
  private readonly isLive = process.stdout.isTTY;

  constructor(private readonly total: number) {}

  heading(text: string): void {
    console.log(`\n${pc.bold(text)}`);
  }

  line(text: string): void {
    console.log(text);
  }

  /** Above the lines of messages. */
  columns(): void {
    console.log(pc.dim(`  #  ${'from'.padEnd(NAME_WIDTH)} over      ack      sockets  text`));
  }

  sent({ seq, sender, over, content, ackMs, deliveredMs }: PlayedMessage): void {
    this.acceptedCount++;
    const sockets = deliveredMs === null ? pc.red('     late') : pc.magenta(`+${milliseconds(deliveredMs)}`);
    this.print(
      `${column(seq)}  ${name(sender)} ${over === 'REST' ? 'REST' : 'ws  '} ${pc.green(milliseconds(ackMs))}  ${sockets}   ${pc.dim(shortened(content))}`,
    );
  }

  embedded({ seq, sender, searchableMs, embedding }: PlayedMessage): void {
    this.embeddedCount++;
    if (searchableMs === null) this.print(`${column(seq)}  ${name(sender)} ${pc.red(`embedding ${embedding}`)}`);
    else if (this.isLive) this.print(undefined);
  }

  unscored({ seq, sender, scoring }: PlayedMessage): void {
    this.print(`${column(seq)}  ${name(sender)} ${pc.red(`scoring ${scoring}`)}`);
  }

  lost(user: string, on: string, seq: number): void {
    this.print(`     ${name(user)} ${pc.yellow(`loses the connection to ${on}, and has everything up to #${seq}`)}`);
  }

  resumed({ user, on, seqBefore, seqAfter, isWhole, resumedAfterMs }: PlayedOutage): void {
    const line =
      resumedAfterMs === null || !isWhole
        ? pc.red(`is not up to date on ${on}: #${seqBefore}, then #${seqAfter}`)
        : pc.green(`is back after ${duration(resumedAfterMs)}: #${seqBefore + 1} to #${seqAfter} came in order, none is missing`);
    this.print(`     ${name(user)} ${line}`);
  }

  receipts(receipts: readonly PlayedReceipt[]): void {
    const rows = receipts.map(({ user, readSeq, unread, seenLive }) => [user, readSeq, unread, seenLive ?? '-']);
    console.log(tableOf(['', 'has read up to', 'unread', 'receipt heard live'], rows));
  }

  search({ query, mode, shows, results }: PlayedSearch): void {
    console.log(`\n${pc.bold(`"${query}"`)}`);
    console.log(pc.dim(`${mode}, ${shows}; ${results.tookMs.toFixed(1)} ms${degradedNote(results)}`));
    if (results.items.length === 0) console.log(pc.dim('  nothing found'));
    for (const { message, ranks, highlight } of results.items.slice(0, HITS_SHOWN)) {
      const places = [`dense ${ranks.dense ?? '-'}`, `sparse ${ranks.sparse ?? '-'}`].join(', ');
      console.log(`  ${pc.dim(places.padEnd(19))} ${name(message.senderId)} ${marked(highlight)}`);
    }
    const more = results.items.length - HITS_SHOWN;
    if (more > 0) console.log(pc.dim(`  and ${more} more`));
  }

  summary({ messages, ackMs, deliveredMs, searchableMs, signalsMs, searchMs, endMs, scoredMs }: Summary): void {
    const row = (name: string, { p50, p95, max }: Spread) => [name, ...[p50, p95, max].map(milliseconds)];
    console.log(
      `${messages.accepted} messages accepted; ${messages.complete} of ${messages.sockets} sockets showed all of them, once and in order;\n` +
        `${messages.searchable} searchable, ${messages.signals} with signals for scores, ${messages.failed} failed, ${messages.pending} pending`,
    );
    console.log(
      tableOf(
        ['', 'P50', 'P95', 'max'],
        [
          row('acknowledged over REST (202)', ackMs.rest),
          row('acknowledged over WebSocket', ackMs.webSocket),
          row('from there to the last socket', deliveredMs),
          row(`to searchable (asked every ${LOOK_EVERY_MS} ms)`, searchableMs),
          row(`to its signals (asked every ${LOOK_EVERY_MS} ms)`, signalsMs),
          row('one search', searchMs),
          row('end acknowledged (202)', endMs),
          row('from there to score.updated', scoredMs),
        ],
      ),
    );
  }

  /** Without a line only the counting line is written anew. */
  private print(line: string | undefined): void {
    if (!this.isLive) return console.log(line);
    // The counting line stays below: clear it, print above it, write it again.
    process.stdout.write(
      `\r\u001b[2K${line === undefined ? '' : `${line}\n`}${pc.dim(`accepted ${this.acceptedCount}/${this.total}   searchable ${this.embeddedCount}/${this.total}`)}`,
    );
    if (this.embeddedCount === this.total && this.acceptedCount === this.total) process.stdout.write('\r\u001b[2K');
  }
}

/** Of the names in the shipped conversation. */
const NAME_WIDTH = 5;
/** What is left of 80 columns. */
const TEXT_WIDTH = 40;

const column = (seq: number): string => pc.dim(`#${String(seq).padStart(2)}`);
const name = (user: string): string => pc.cyan(user.padEnd(NAME_WIDTH));

const milliseconds = (value: number | null): string =>
  (value === null ? '-' : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`).padStart(8);

const characters = new Intl.Segmenter('und', { granularity: 'grapheme' });

const segmented = (text: string): string[] => [...characters.segment(text)].map(({ segment }) => segment);

const shortened = (text: string): string => {
  const all = segmented(text);
  return all.length > TEXT_WIDTH ? `${all.slice(0, TEXT_WIDTH - 1).join('')}…` : text;
};

const ENTITIES: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&#x27;': "'", '&amp;': '&' };

/** What is left of 80 columns beside the places and the sender. */
const HIGHLIGHT_WIDTH = 50;

/** Highlights are HTML: escaped text with `<mark>` around what matched. */
const marked = (highlight: string): string => {
  let room = HIGHLIGHT_WIDTH;
  let line = '';
  for (const part of highlight.split(/(<mark>.*?<\/mark>)/s)) {
    const isHit = part.startsWith('<mark>');
    const letters = segmented(unescaped(part.replaceAll(/<\/?mark>/g, '')));
    const text = letters.length > room ? `${letters.slice(0, Math.max(0, room - 1)).join('')}…` : letters.join('');
    line += isHit ? pc.yellow(text) : text;
    room -= letters.length;
    if (room < 0) break;
  }
  return line;
};

const unescaped = (text: string): string => text.replaceAll(/&(?:lt|gt|quot|amp|#39|#x27);/g, (entity) => ENTITIES[entity] ?? entity);

const degradedNote = ({ degraded }: SearchResults): string => (degraded.length === 0 ? '' : `; without ${degraded.join(', ')}`);
