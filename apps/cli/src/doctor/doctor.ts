import { withTimeLimit } from '#lib/runtime/work/within';
import pc from 'picocolors';
import { printJson } from '../output/print-json.js';
import { wrapped } from '../output/wrapped.js';
import type { Check, Finding } from './check.js';
import { machineChecks } from './doctor-machine.js';
import { stackChecks } from './doctor-stack.js';

/** How a check ended, by how much it matters. */
const TAG = { ok: pc.green('ok  '), warn: pc.yellow('warn'), fail: pc.red('FAIL') } as const;
const NAME_WIDTH = 14;
const COLUMNS = 80;
/** A check that hangs is a finding too. */
const CHECK_WITHIN_MS = 8_000;

/** `parley doctor`: one line for each check, with what to do where it is not well. Exit code 1 when one fails. */
export async function examine({ json = false }: { json?: boolean }): Promise<void> {
  const checks = await resultsOf([...machineChecks(process.env), ...(await stackChecks())]);
  if (json) printJson({ checks });
  else for (const each of checks) process.stdout.write(`${linesOf(each).join('\n')}\n`);
  if (checks.some(({ level }) => level === 'fail')) process.exitCode = 1;
}

/** All at once; in the order in which they were given. */
export async function resultsOf(checks: readonly Check[]): Promise<(Finding & { name: string })[]> {
  return Promise.all(checks.map(async ({ name, run }) => ({ name, ...(await inTime(run)) })));
}

async function inTime(run: Check['run']): Promise<Finding> {
  const late = (): Finding => ({ level: 'fail', says: `no answer within ${CHECK_WITHIN_MS / 1_000} s` });
  try {
    return await withTimeLimit(CHECK_WITHIN_MS, (async () => run())(), late);
  } catch (error) {
    return { level: 'fail', says: error instanceof Error ? error.message : String(error) };
  }
}

/** `ok   disk           12 GB free`, what to do on lines of its own; none longer than a terminal. */
export function linesOf({ name, level, says, toDo }: Finding & { readonly name: string }): string[] {
  const indent = ' '.repeat(5 + NAME_WIDTH + 1);
  const paragraphs = [says, ...(toDo === undefined ? [] : [`-> ${toDo}`])];
  const text = paragraphs.flatMap((paragraph) => wrapped(paragraph, COLUMNS - indent.length, ''));
  return text.map((line, i) => (i === 0 ? `${TAG[level]} ${name.padEnd(NAME_WIDTH)} ${line}` : `${indent}${line}`));
}
