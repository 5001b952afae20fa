/** UTF-16 units that are read between two turns of the event loop: a millisecond or two, whatever they are. */
const PIECE_LENGTH = 2_000;

/** Cuts a long text, at white space where there is some: a sentence that is cut may be counted twice, one word in two is lost. */
export function* piecesOf(text: string): Generator<string> {
  for (let start = 0; start < text.length; ) {
    const end = Math.min(text.length, start + PIECE_LENGTH);
    const space = end < text.length ? Math.max(text.lastIndexOf(' ', end), text.lastIndexOf('\n', end)) : -1;
    const cut = space > start ? space : end;
    yield text.slice(start, cut);
    start = cut;
  }
}
