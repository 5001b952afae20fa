import { currentMessagesContract } from '../signals/current-messages.contract.js';
import { MemoryCurrentMessages } from './memory-current-messages.js';

currentMessagesContract('MemoryCurrentMessages', async () => {
  const messages = new MemoryCurrentMessages();
  return { messages, commit: (event) => messages.commit(event) };
});
