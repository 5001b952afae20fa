import { inboxContract } from '../inbox.contract.js';
import { MemoryInbox } from './memory-inbox.js';

inboxContract(async () => new MemoryInbox());
