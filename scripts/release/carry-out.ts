import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runOrThrow } from '#lib/devstack/process/commands';
import type { ReleasePlan } from './plan.js';

const WITHIN_MS = 60_000;

/** Writes the files, commits and tags, in the checkout at `root` only: pushing is for the person who releases. */
export async function carryOut(root: string, { edits, notes, tag, version }: ReleasePlan): Promise<void> {
  for (const [file, content] of edits) writeFileSync(join(root, file), content);
  const git = (...args: string[]) => runOrThrow('git', args, { timeoutMs: WITHIN_MS, cwd: root });
  await git('add', '--', ...edits.keys());
  await git('commit', '--quiet', '--message', `Release ${version}`);
  // Verbatim: headings of the changelog begin with what git takes for a comment.
  await git('tag', '--annotate', '--cleanup=verbatim', '--message', `Parley ${version}\n\n${notes}\n`, tag);
}
