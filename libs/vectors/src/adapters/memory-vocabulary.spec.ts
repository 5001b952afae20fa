import { vocabularyContract } from '../vocabulary.contract.js';
import { MemoryVocabulary } from './memory-vocabulary.js';

vocabularyContract(async () => new MemoryVocabulary());
