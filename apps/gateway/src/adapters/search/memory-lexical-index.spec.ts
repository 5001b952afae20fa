import { describe } from 'vitest';
import type { Message } from '#lib/conversations/message';
import { lexicalIndexContract } from '../../search/lexical-index.contract.js';
import { MemoryLexicalIndex } from './memory-lexical-index.js';

describe('the lexical index in memory', () => {
  lexicalIndexContract(async () => {
    const messages: Message[] = [];
    return { index: new MemoryLexicalIndex(() => messages), add: async (more) => void messages.push(...more) };
  });
});
