import { afterEach, expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { DependencyError } from '#lib/resilience/call/errors';
import { runInContext } from '#lib/runtime/log/context';
import { showContent } from '#lib/runtime/trace/content';
import { type EndedSpan, exportSpansTo } from '#lib/runtime/trace/span';
import type { ConversationEndRecord } from '#lib/scores/ends/conversation-end-store.port';
import { LocalAnalysis } from '../analysis/adapters/local-analysis.js';
import { AnalyzeConversation } from '../analysis/analyze-conversation.js';
import { requestOf } from '../analysis/llm-analysis.contract.js';
import { type EmotionAnalysis } from '../analysis/llm-analysis.port.js';
import { MemoryPort } from '../memory/memory.port.js';
import type { TranscriptPort } from '../transcripts/transcript.port.js';
import { AssessConversation } from './assess-conversation.js';

/** Learns three things from each conversation. */
class LearningMemory extends MemoryPort {
  asked = 0;
  override async newMemories(): Promise<number> {
    this.asked += 1;
    return 3;
  }
}

class BrokenAnalysis extends LocalAnalysis {
  override analyzeSessionEmotion(): Promise<EmotionAnalysis> {
    return Promise.reject(new DependencyError('llm', 'chat', 'open'));
  }
}

const { transcript } = requestOf(['user', 'hm'], ['user', 'I have a dog'], ['user', 'and a cat'], ['user', 'and a bird'], ['user', 'bye']);
const now = new Date();
const end: ConversationEndRecord = {
  id: newId(),
  eventId: newId(),
  conversationId: transcript.conversationId,
  userId: transcript.userId,
  startTime: now,
  endTime: now,
  messages: undefined,
  log: undefined,
  createdAt: now,
};
const world = (model = new LocalAnalysis()) => {
  const memory = new LearningMemory();
  return { memory, assess: new AssessConversation({} as TranscriptPort, new AnalyzeConversation(model), memory) };
};

it('an assessment counts what the memory API learnt, on top of what it had learnt before', async () => {
  const { assess } = world();
  expect((await assess.execute(end, transcript, 'interactive', 0)).score.analysis.memories).toBe(3);
  expect((await assess.execute(end, transcript, 'background', 3)).score.analysis.memories).toBe(6);
});

it('an assessment that is only looked at, or whose analysis failed, leaves nothing in the memory API', async () => {
  const looked = world();
  expect((await looked.assess.execute(end, transcript, 'interactive')).score.analysis.memories).toBe(0);
  expect(looked.memory.asked).toBe(0);
  const failed = world(new BrokenAnalysis());
  expect(await failed.assess.execute(end, transcript, 'interactive', 0)).toMatchObject({ degraded: true });
  expect(failed.memory.asked).toBe(0);
});

/** Input and output of each step, by its name. */
const stepsOf = async (isShown: boolean) => {
  const spans: EndedSpan[] = [];
  exportSpansTo((span) => void spans.push(span));
  showContent(isShown);
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00';
  await runInContext({ traceparent }, () => world().assess.execute(end, transcript, 'interactive', 0));
  const shown = ({ attributes: { 'langfuse.observation.input': input, 'langfuse.observation.output': output } }: EndedSpan) => ({
    input,
    output,
  });
  return Object.fromEntries(spans.map((span) => [span.name, shown(span)]));
};
afterEach(() => {
  exportSpansTo(undefined);
  showContent(false);
});

it('each step of an assessment shows its input and its output where content is switched on (R093)', async () => {
  const input = 'user: hm\nuser: I have a dog\nuser: and a cat\nuser: and a bird\nuser: bye';
  expect(await stepsOf(true)).toEqual({
    'analyze questions': { input, output: expect.stringContaining('"userQuestions":0') },
    'analyze emotion': { input, output: expect.stringContaining('"emotion":') },
    'add memories': { input, output: '{"memories":3}' },
    'assess conversation': { input, output: expect.stringContaining('"worth":') },
  });
});

it('no step of an assessment shows anything where content is switched off', async () => {
  const nothing = { input: undefined, output: undefined };
  const steps = { 'analyze questions': nothing, 'analyze emotion': nothing, 'add memories': nothing, 'assess conversation': nothing };
  expect(await stepsOf(false)).toEqual(steps);
});
