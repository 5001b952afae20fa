import { expect, it } from 'vitest';
import { sampleConversation } from './conversation.js';

it('the demo ships a conversation of several people in English and Vietnamese', async () => {
  const { messages, searches } = await sampleConversation();
  expect(messages.length).toBeGreaterThanOrEqual(30);
  expect(new Set(messages.map(({ sender }) => sender)).size).toBeGreaterThanOrEqual(3);
  const vietnamese = messages.filter(({ content }) => /[ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]/i.test(content));
  expect(vietnamese.length).toBeGreaterThan(10);
  expect(messages.length - vietnamese.length).toBeGreaterThan(10);
  expect(new Set(searches.map(({ mode }) => mode))).toEqual(new Set(['hybrid', 'dense', 'sparse']));
});
