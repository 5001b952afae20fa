import { stripVTControlCharacters } from 'node:util';

const USUAL_COLUMNS = 80;
const INDENT = '  ';

/** The text in lines of at most `columns`, broken between words; all lines but the first are indented. */
export function wrapped(text: string, columns = process.stdout.columns ?? USUAL_COLUMNS): string {
  const lines: string[] = [];
  let line = /^ */.exec(text)?.[0] ?? '';
  for (const word of text.split(' ').filter((each) => each !== '')) {
    const isEmpty = line.trim() === '';
    const longer = isEmpty ? line + word : `${line} ${word}`;
    if (isEmpty || stripVTControlCharacters(longer).length <= columns) line = longer;
    else {
      lines.push(line);
      line = INDENT + word;
    }
  }
  return [...lines, line].join('\n');
}
