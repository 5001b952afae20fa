import { expect, it } from 'vitest';
import { newId } from '#lib/contracts/ids';
import { DependencyError } from '#lib/resilience/call/errors';
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
