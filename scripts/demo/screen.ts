import pc from 'picocolors';
import type { SearchResults } from '#lib/contracts/http';
import { tableOf } from '#lib/devstack/terminal/table';
import { type Audience, LOOK_EVERY_MS, type PlayedMessage } from './play.js';
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

  accepted({ seq, sender, content, ackMs }: PlayedMessage): void {
    this.acceptedCount++;
    this.print(
      `${column(seq)} ${pc.cyan(sender.padEnd(6))} ${pc.green('accepted')}   ack ${milliseconds(ackMs)}  ${pc.dim(shortened(content))}`,
    );
  }

  embedded({ seq, sender, searchableMs, embedding }: PlayedMessage): void {
    this.embeddedCount++;
    const outcome =
      searchableMs === null ? pc.red(`embedding ${embedding}`) : `${pc.magenta('searchable')} after ${milliseconds(searchableMs)}`;
    this.print(`${column(seq)} ${pc.cyan(sender.padEnd(6))} ${outcome}`);
  }

  search({ query, mode, shows, results }: PlayedSearch): void {
    console.log(`\n${pc.bold(`"${query}"`)} ${pc.dim(`${mode}, ${shows}; ${results.tookMs.toFixed(1)} ms${degradedNote(results)}`)}`);
    if (results.items.length === 0) console.log(pc.dim('  nothing found'));
    for (const { message, score, ranks, highlight } of results.items.slice(0, HITS_SHOWN)) {
      const places = [`dense ${ranks.dense ?? '-'}`, `sparse ${ranks.sparse ?? '-'}`].join(', ');
      console.log(`  ${score.toFixed(4)}  ${pc.dim(places.padEnd(20))} ${pc.cyan(message.senderId.padEnd(6))} ${marked(highlight)}`);
    }
    const more = results.items.length - HITS_SHOWN;
    if (more > 0) console.log(pc.dim(`  and ${more} more`));
  }

  summary({ messages, ackMs, searchableMs, searchMs }: Summary): void {
    const row = (name: string, { p50, p95, max }: Spread) => [name, ...[p50, p95, max].map(milliseconds)];
    console.log(
      `\n${messages.accepted} messages accepted, ${messages.searchable} searchable, ${messages.failed} failed, ${messages.pending} pending`,
    );
    console.log(
      tableOf(
        ['', 'P50', 'P95', 'max'],
        [
          row('acknowledged (202)', ackMs),
          row(`searchable after the 202, seen by asking every ${LOOK_EVERY_MS} ms`, searchableMs),
          row('one search', searchMs),
        ],
      ),
    );
  }

  private print(line: string): void {
    if (!this.isLive) return console.log(line);
    // The counting line stays below: clear it, print above it, write it again.
    process.stdout.write(
      `\r\u001b[2K${line}\n${pc.dim(`accepted ${this.acceptedCount}/${this.total}   searchable ${this.embeddedCount}/${this.total}`)}`,
    );
    if (this.embeddedCount === this.total) process.stdout.write('\r\u001b[2K');
  }
}

const column = (seq: number): string => pc.dim(`#${String(seq).padStart(2)}`);

const milliseconds = (value: number | null): string =>
  (value === null ? '-' : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`).padStart(8);

const characters = new Intl.Segmenter('und', { granularity: 'grapheme' });

const shortened = (text: string): string => {
  const all = [...characters.segment(text)].map(({ segment }) => segment);
  return all.length > 60 ? `${all.slice(0, 59).join('')}…` : text;
};

const ENTITIES: Readonly<Record<string, string>> = { '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&#x27;': "'", '&amp;': '&' };

/** Highlights are HTML: escaped text with `<mark>` around what matched. */
const marked = (highlight: string): string =>
  highlight
    .replaceAll(/<mark>(.*?)<\/mark>/gs, (_, hit: string) => pc.yellow(hit))
    .replaceAll(/&(?:lt|gt|quot|amp|#39|#x27);/g, (entity) => ENTITIES[entity] ?? entity);

const degradedNote = ({ degraded }: SearchResults): string => (degraded.length === 0 ? '' : `; without ${degraded.join(', ')}`);
