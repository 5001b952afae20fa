import { requesterContract } from '../../request-reply/requester.contract.js';
import { MemoryRequester } from './memory-requester.js';

requesterContract(async () => {
  const requester = new MemoryRequester();
  return { requester, respond: async (queue, answer) => requester.respond(queue, answer) };
});
