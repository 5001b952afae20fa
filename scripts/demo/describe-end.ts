import pc from 'picocolors';
import { duration } from '../../apps/cli/src/output/cells.js';
import { printable } from '../../apps/cli/src/output/printable.js';
import type { PlayedEnd } from './end.js';

/** What the end of a conversation did, line by line, for a person; what did not come is said as such. */
export function describeEnd(end: PlayedEnd): string[] {
  return [`ended (202) after ${duration(end.ackMs)}: event ${end.eventId}`, ...scoreLines(end), '', ...suggestionLines(end)];
}

function scoreLines({ user, before, frame, scoredMs, change }: PlayedEnd): string[] {
  const lines: string[] = [];
  if (frame === null) lines.push(pc.red('no score.updated came over the socket; `npx parley queues` shows what waits'));
  else if (frame.degraded)
    lines.push(pc.red(`score.updated came ${duration(scoredMs ?? 0)} later, degraded: it is calculated again later`));
  else {
    const levels = before.level === frame.level ? `still ${frame.level}` : `${before.level}, now ${frame.level}`;
    lines.push(
      `${pc.green('score.updated')} over the socket ${duration(scoredMs ?? 0)} later: ${user} ${signed(frame.scoreChange)}, ` +
        `${before.score} → ${pc.bold(String(frame.score))}, ${levels}`,
    );
  }
  if (change === null) return [...lines, pc.red(`the history of ${user} has no line for this conversation`)];
  const { provider, model } = change.analysedBy;
  return [
    ...lines,
    pc.dim(`by ${printable(`${provider} (${model})`)}; why, as the history says:`),
    ...change.reasons.map((reason) => `  ${printable(reason)}`),
  ];
}

function suggestionLines({ suggestion }: PlayedEnd): string[] {
  const { level, greeting, candidates, degraded } = suggestion;
  const note = degraded ? pc.red(', without Postgres: what a new user gets') : '';
  return [
    `Next, for ${/^[aeiou]/.test(level) ? 'an' : 'a'} ${level}${note}: ${greeting === null ? '(no greeting in the catalogue)' : `"${printable(greeting)}"`}`,
    ...candidates.map(({ agentId, topic, weight, reason }) => {
      const share = `${Math.round(weight * 100)} %`.padStart(5);
      return `  ${share}  ${pc.cyan(agentId)} about ${topic}: ${pc.dim(printable(reason))}`;
    }),
  ];
}

const signed = (points: number): string => (points > 0 ? `+${points}` : String(points));
