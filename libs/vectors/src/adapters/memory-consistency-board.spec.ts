import { consistencyBoardContract } from '../consistency-board.contract.js';
import { MemoryConsistencyBoard } from './memory-consistency-board.js';

consistencyBoardContract('MemoryConsistencyBoard', async () => ({ board: new MemoryConsistencyBoard() }));
