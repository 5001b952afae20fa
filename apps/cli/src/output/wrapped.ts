import { stripVTControlCharacters } from 'node:util';

const USUAL_COLUMNS = 80;

const widthOf = (text: string): number => stripVTControlCharacters(text).length;

/** The text in lines of at most `columns`, broken between words, and within a word that is longer; all but the first begin with `indent`. */
export function wrapped(text: string, columns = process.stdout.columns ?? USUAL_COLUMNS, indent = '  '): string[] {
  const lines: string[] = [];
  let line = /^ */.exec(text)?.[0] ?? '';
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    if (line.trim() !== '' && widthOf(`${line} ${word}`) <= columns) {
      line = `${line} ${word}`;
      continue;
    }
    if (line.trim() !== '') {
      lines.push(line);
      line = indent;
    }
    line += word;
    for (; widthOf(line) > columns; line = indent + line.slice(columns)) lines.push(line.slice(0, columns));
  }
  return [...lines, line];
}
