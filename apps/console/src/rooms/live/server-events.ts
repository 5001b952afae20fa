/** One event of a `text/event-stream`; a comment has no name. */
export interface ServerEvent {
  /** `comment` for a line that only keeps the connection open. */
  readonly kind: 'event' | 'comment';
  readonly name: string;
  readonly data: string;
}

/** Longest event in characters: the sections of the admin stream have less than 64 kB together. */
const MAX_EVENT_LENGTH = 1_000_000;

/**
 * The events of a stream as the HTML standard parses them, in their order; ends with the stream. Chunks may end anywhere.
 * @throws RangeError for an event longer than a million characters.
 */
export async function* serverEvents(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let rest = '';
  let name = '';
  let data: string[] = [];
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    if (rest.length > MAX_EVENT_LENGTH) throw new RangeError('an event of the stream has no end');
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { kind: 'event', name: name === '' ? 'message' : name, data: data.join('\n') };
        name = '';
        data = [];
      } else if (line.startsWith(':')) yield { kind: 'comment', name: '', data: line.slice(1).trim() };
      else if (line.startsWith('event:')) name = valueOf(line);
      else if (line.startsWith('data:')) data.push(valueOf(line));
    }
  }
}

/** What follows the colon, without the one space that may come first. */
const valueOf = (line: string): string => line.slice(line.indexOf(':') + 1).replace(/^ /, '');
