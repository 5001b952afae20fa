import type { MessageCreated } from '#lib/contracts/events';
import { withoutLongRuns } from '#lib/contracts/text';
import { TimeSlices } from '#lib/runtime/work/time-slices';
import type { Chunk } from './chunk.js';

/** What a chunk needs to know of its message: the data of `message.created` and `message.edited` are enough. */
export type ChunkSource = Pick<
  MessageCreated['data'],
  'messageId' | 'conversationId' | 'senderId' | 'seq' | 'version' | 'createdAt' | 'content'
> &
  Pick<Chunk, 'documentId'>;

/** How long the pieces of a text are, in UTF-16 units. */
export interface PieceLimits {
  /** Longest piece: about 250 tokens of English, well within the context of small embedding models. */
  readonly maxLength: number;
  /** Text at a piece's end that the next one repeats, so that a sentence cut in two is whole in one of them. At most a quarter of `maxLength`. */
  readonly overlap: number;
}

const DEFAULT_LIMITS: PieceLimits = { maxLength: 1_000, overlap: 100 };

/** The chunks of each of many messages, in their order. Lets others have their turn of the event loop in between: the longest take 10 ms each. */
export async function chunkMessages(sources: readonly ChunkSource[]): Promise<Chunk[][]> {
  const slices = new TimeSlices();
  const chunked: Chunk[][] = [];
  for (const source of sources) {
    chunked.push(chunkMessage(source));
    if (slices.isOver) await slices.next();
  }
  return chunked;
}

/**
 * The chunks of a message, at least one: `{messageId}#chunk_{i}` (R004). The same message gives the same chunks. Of a text that was stored before
 * long runs of combining marks were refused they have what is left without them: what follows normalizes, and a run costs its square.
 */
export function chunkMessage(source: ChunkSource): Chunk[] {
  const { messageId, documentId, conversationId, senderId, seq, version, createdAt, content } = source;
  const createdAtMs = Date.parse(createdAt);
  return splitText(withoutLongRuns(content)).map((text, i) => ({
    id: `${messageId}#chunk_${i}`,
    messageId,
    ...(documentId === undefined ? {} : { documentId }),
    conversationId,
    senderId,
    seq,
    version,
    createdAtMs,
    text,
  }));
}

// One language-neutral segmenter per kind: where texts may be cut hardly depends on the locale, and "und" cuts the same everywhere.
const sentences = new Intl.Segmenter('und', { granularity: 'sentence' });
const words = new Intl.Segmenter('und', { granularity: 'word' });
const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });

/** Units after the longest piece that are looked at to see whether its end is a boundary: the next character, however composed. */
const LOOKAHEAD = 32;

/**
 * Splits a text into pieces of at most `maxLength` that overlap a little. Each ends at the last paragraph, else sentence, else word
 * boundary in its second half. What a reader sees as one character stays in one piece, unless it is itself longer than half a piece; a
 * surrogate pair always does. Cost grows with the length of the text, whatever is in it. A text that fits is one piece, unchanged.
 */
export function splitText(text: string, { maxLength, overlap }: PieceLimits = DEFAULT_LIMITS): string[] {
  if (text.length <= maxLength) return [text];
  const pieces: string[] = [];
  let start = 0;
  while (text.length - start > maxLength) {
    // Boundaries are looked for in a window of one piece, never in the rest of the text: that keeps the cost linear.
    const window = new Window(text.slice(start, start + maxLength + LOOKAHEAD));
    const end = window.lastBreak(maxLength >>> 1, maxLength);
    addPiece(pieces, text.slice(start, start + end));
    start += window.overlapStart(end - overlap, end);
  }
  addPiece(pieces, text.slice(start));
  return pieces.length > 0 ? pieces : [text.slice(0, maxLength)];
}

function addPiece(pieces: string[], piece: string): void {
  // A space that carries a mark is a character of its own.
  const trimmed = piece.replace(/^\s+(?!\p{M})/u, '').trimEnd();
  if (trimmed.length > 0) pieces.push(trimmed);
}

/** A stretch of text that begins at a boundary, and where it may be cut. Positions are offsets into it. */
class Window {
  private readonly text: string;
  private readonly graphemes: Intl.Segments;

  constructor(text: string) {
    this.text = text;
    this.graphemes = graphemes.segment(text);
  }

  /** The best place to cut in `(from, to]`. */
  lastBreak(from: number, to: number): number {
    return (
      this.lastGap(from, to, 2) ??
      this.lastSegment(sentences.segment(this.text), from, to) ??
      this.lastGap(from, to, 0) ??
      this.lastSegment(words.segment(this.text), from, to) ??
      this.lastSegment(this.graphemes, from, to) ??
      this.codePointAtOrBefore(to)
    );
  }

  /** Where the next piece begins: the first word in `[from, to)`, so that it repeats no half words, else the character at `from`. */
  overlapStart(from: number, to: number): number {
    for (let i = from; i < to; i += 1) {
      if (isSpace(this.text.charCodeAt(i - 1)) && !isSpace(this.text.charCodeAt(i)) && this.isWhole(i)) return i;
    }
    const character = this.graphemes.containing(from)?.index ?? 0;
    // A monstrous character that begins far back must not bring the walk to a halt.
    return character > from >>> 1 ? character : to;
  }

  /** The end of the last white space in `(from, to]` that has at least `lineBreaks` line breaks. */
  private lastGap(from: number, to: number, lineBreaks: number): number | undefined {
    for (let end = to; end > from; end -= 1) {
      if (!isSpace(this.text.charCodeAt(end - 1))) continue;
      let start = end;
      let found = 0;
      for (; start > from && isSpace(this.text.charCodeAt(start - 1)); start -= 1) {
        if (this.text.charCodeAt(start - 1) === 0x0a) found += 1;
      }
      if (found >= lineBreaks && this.isWhole(end)) return end;
      end = start;
    }
    return undefined;
  }

  private lastSegment(segments: Intl.Segments, from: number, to: number): number | undefined {
    const boundary = segments.containing(to)?.index ?? 0;
    return boundary > from && this.isWhole(boundary) ? boundary : undefined;
  }

  private isWhole(position: number): boolean {
    return position >= this.text.length || this.graphemes.containing(position)?.index === position;
  }

  private codePointAtOrBefore(position: number): number {
    const isInPair = (this.text.charCodeAt(position - 1) & 0xfc00) === 0xd800 && (this.text.charCodeAt(position) & 0xfc00) === 0xdc00;
    return isInPair ? position - 1 : position;
  }
}

/** White space where a line may be broken; the no-break spaces are not among it. */
const isSpace = (unit: number): boolean =>
  unit === 0x20 ||
  (unit >= 0x09 && unit <= 0x0d) ||
  (unit >= 0x2000 && unit <= 0x200a && unit !== 0x2007) ||
  unit === 0x3000 ||
  unit === 0x2028 ||
  unit === 0x2029 ||
  unit === 0x85 ||
  unit === 0x1680 ||
  unit === 0x205f;
