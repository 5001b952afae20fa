import { rateLimiterContract } from '../limit/rate-limiter.contract.js';
import { MemoryRateLimiter } from './memory-rate-limiter.js';

rateLimiterContract('local', (limit) => new MemoryRateLimiter(limit));
