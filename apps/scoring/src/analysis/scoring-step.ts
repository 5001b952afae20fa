import type { Transcript } from '#lib/scores/transcript';
import { MAX_CONTENT, shownContent } from '#lib/runtime/trace/content';
import { pseudonymOf } from '#lib/runtime/trace/pseudonyms';
import { inSpan, type Span } from '#lib/runtime/trace/span';

/** How every span about a conversation that is scored names it, in the words of the conventions and of Langfuse. */
export const aboutConversation = ({ conversationId, userId }: Pick<Transcript, 'conversationId' | 'userId'>) => ({
  'gen_ai.conversation.id': conversationId,
  'langfuse.session.id': conversationId,
  'langfuse.user.id': pseudonymOf(userId),
  'langfuse.trace.name': 'score conversation',
});

/**
 * Runs one step of scoring in a span of its own, exported whether its trace is sampled or not: every step of every score can be looked at (R093),
 * and scores are few beside messages.
 */
export const inScoringStep = <T>(step: string, transcript: Transcript, work: (span: Span | undefined) => Promise<T>): Promise<T> =>
  inSpan(step, 'internal', (span) => {
    span
      ?.keep()
      .setAll(aboutConversation(transcript))
      .set('gen_ai.operation.name', 'invoke_workflow')
      .set('gen_ai.workflow.name', step)
      .set('langfuse.observation.type', 'span')
      .setContent(
        'langfuse.observation.input',
        shownContent(() => beginningOf(transcript)),
      );
    return work(span);
  });

/** What a step came to, where content is shown. */
export const setOutcome = (span: Span | undefined, outcome: unknown): void => {
  span?.setContent(
    'langfuse.observation.output',
    shownContent(() => JSON.stringify(outcome)),
  );
};

/** As much as a span holds: no log of megabytes is joined for it, in each of four steps. */
const beginningOf = ({ turns }: Transcript): string => {
  const lines: string[] = [];
  let length = 0;
  for (const { role, content } of turns) {
    if (length >= MAX_CONTENT) break;
    const line = `${role}: ${content}`.slice(0, MAX_CONTENT);
    lines.push(line);
    length += line.length;
  }
  return lines.join('\n');
};
