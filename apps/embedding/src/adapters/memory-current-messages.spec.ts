import { MemoryChunkLedger } from '#lib/vectors/ledger/adapters/memory-chunk-ledger';
import { currentMessagesContract } from '../current-messages.contract.js';
import { MemoryCurrentMessages } from './memory-current-messages.js';

currentMessagesContract('MemoryCurrentMessages', async () => {
  const ledger = new MemoryChunkLedger();
  const messages = new MemoryCurrentMessages(ledger);
  return { ledger, messages, commit: (event) => messages.commit(event) };
});
