import { tableOf } from './table.js';

tableOf(['llm', 'objectStore']);
