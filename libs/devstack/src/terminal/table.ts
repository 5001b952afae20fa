import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';
import pc from 'picocolors';

/** Where neither the terminal nor COLUMNS says how wide it is. */
const USUAL_COLUMNS = 80;
/** A column is not made narrower than this: less tells nothing. */
const NARROWEST = 6;
/** A border and a blank on each side of a cell, and the last border. */
const AROUND_CELL = 3;
const COLOUR = /^(\u001b\[\d+m)(.*)(\u001b\[\d+m)$/s; // oxlint-disable-line no-control-regex -- a cell in one colour, as picocolors makes it
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/g; // oxlint-disable-line no-control-regex -- what a terminal would obey
const WIDE = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}]/u;

/**
 * Rows under a bold head without lines between them; colours only where the terminal wants them. It fits the terminal: what is too long
 * loses its middle, the widest columns first, so that `--json` is the place for the whole. Control characters in a cell are made visible.
 */
export function tableOf(head: readonly string[], rows: readonly (readonly (string | number)[])[], columns = terminalColumns()): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => harmless(String(cell))));
  const widths = fitted(widthsOf(cells), columns - AROUND_CELL * head.length - 1);
  const [shownHead = [], ...shownRows] = cells.map((row) => row.map((cell, column) => fit(cell, widths[column] ?? 0)));
  const table = new Table({
    head: shownHead.map((cell) => pc.bold(cell)),
    style: { head: [], border: [], compact: true },
  });
  for (const row of shownRows) table.push(row);
  return table.toString();
}

/** At most `width` columns of the terminal, the middle left out: both ends of an id, a URL or an error tell something. */
export function withoutMiddle(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  const letters = Array.from(text);
  const isShort = (kept: number) => widthOf(letters.slice(0, Math.ceil(kept / 2)).join('')) + widthOf(tail(letters, kept)) < width;
  let kept = Math.min(letters.length, width);
  while (kept > 0 && !isShort(kept)) kept -= 1;
  return `${letters.slice(0, Math.ceil(kept / 2)).join('')}…${tail(letters, kept)}`;
}

function tail(letters: readonly string[], kept: number): string {
  return kept < 2 ? '' : letters.slice(-Math.floor(kept / 2)).join('');
}

function terminalColumns(): number {
  return process.stdout.columns || Number(process.env['COLUMNS']) || USUAL_COLUMNS;
}

function widthsOf(cells: readonly (readonly string[])[]): number[] {
  const count = cells[0]?.length ?? 0;
  return Array.from({ length: count }, (_, column) => Math.max(0, ...cells.flatMap((row) => (row[column] ?? '').split('\n').map(widthOf))));
}

/** Takes from the widest until all fit. */
function fitted(widths: readonly number[], room: number): number[] {
  const result = [...widths];
  for (let tooMuch = result.reduce((sum, width) => sum + width, 0) - room; tooMuch > 0; tooMuch--) {
    const widest = Math.max(...result);
    if (widest <= NARROWEST) break;
    result[result.indexOf(widest)] = widest - 1;
  }
  return result;
}

function fit(cell: string, width: number): string {
  return cell
    .split('\n')
    .map((line) => {
      const [, on = '', text = line, off = ''] = COLOUR.exec(line) ?? [];
      return on + withoutMiddle(text, width) + off;
    })
    .join('\n');
}

function widthOf(text: string): number {
  return Array.from(stripVTControlCharacters(text)).reduce((sum, letter) => sum + (WIDE.test(letter) ? 2 : 1), 0);
}

function harmless(cell: string): string {
  const [, on = '', text = cell, off = ''] = COLOUR.exec(cell) ?? [];
  return on + text.replaceAll(CONTROL, '\uFFFD') + off;
}
