import { tableOf } from './table.js';

tableOf(['postgres', 'rabbitmq', 'chroma', 'several at once']);
