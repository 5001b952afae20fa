/** Characters that a push shows of a text. */
export const SHOWN_LENGTH = 120;

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** The beginning of `text`: whole characters as readers count them (grapheme clusters), no more of them and no more bytes than allowed. */
export function beginningOf(text: string, { characters = SHOWN_LENGTH, bytes }: { characters?: number; bytes: number }): string {
  let shown = '';
  let left = characters;
  for (const { segment, index } of graphemes.segment(text)) {
    const isWhole = left > 0 && Buffer.byteLength(shown) + Buffer.byteLength(segment) <= bytes - ELLIPSIS_BYTES;
    if (!isWhole) return index === 0 ? '' : `${shown}…`;
    shown += segment;
    left -= 1;
  }
  return shown;
}

const ELLIPSIS_BYTES = Buffer.byteLength('…');
