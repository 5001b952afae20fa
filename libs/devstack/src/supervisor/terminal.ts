import type { Home } from '../home/home.js';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';
import { clock, nameTag, needsAttention, readableLine } from '../terminal/log-line.js';
import { LogFile } from '../home/log-file.js';

/** A terminal that was closed, or `npm start | head`: the stack must not die of it. */
const stdout = { isOpen: true, isWatched: false };

/**
 * Where the stack speaks: our own lines go to the terminal and to `logs/parley.log`; the lines of a service go to its own file as they
 * are and to the terminal in readable form. In the background only what needs attention is shown, because no terminal shows it.
 */
export class Terminal {
  private readonly own: LogFile;
  private readonly files: LogFile[] = [];

  constructor(
    private readonly home: Home,
    private readonly isBackground: boolean,
  ) {
    this.own = this.openFile('parley');
    if (!stdout.isWatched) process.stdout.on('error', () => (stdout.isOpen = false));
    stdout.isWatched = true;
  }

  /** One line about the stack itself. */
  say(text: string): void {
    const line = `${clock(new Date())} ${pc.bold(nameTag('parley'))} ${text}\n`;
    this.own.write(stripVTControlCharacters(line)); // a file has no colours
    if (!this.isBackground) this.print(line);
  }

  /** Text as it is, such as the table of addresses; not kept in a file, since it has passwords. */
  show(text: string): void {
    this.print(`${text}\n`);
  }

  /** Takes the output of a service, in whatever pieces it comes. */
  outputOf(service: string): (chunk: string, from: 'stdout' | 'stderr') => void {
    const file = this.openFile(service);
    const rest = { stdout: '', stderr: '' };
    return (chunk, from) => {
      const lines = (rest[from] + chunk).split('\n');
      rest[from] = lines.pop() ?? '';
      for (const line of lines) {
        file.write(`${line}\n`);
        if (line !== '' && (!this.isBackground || needsAttention(line))) this.print(`${readableLine(service, line)}\n`);
      }
    };
  }

  /** The end of a service's file, for a message about why it did not come up. */
  flush(): void {
    for (const file of this.files) file.flush();
  }

  private openFile(name: string): LogFile {
    const file = new LogFile(join(this.home.logs, `${name}.log`));
    this.files.push(file);
    return file;
  }

  private print(text: string): void {
    if (this.isBackground) this.own.write(stripVTControlCharacters(text));
    else if (stdout.isOpen) process.stdout.write(text);
  }
}
