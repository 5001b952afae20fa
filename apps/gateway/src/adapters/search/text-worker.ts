import { doTextJob } from './text-jobs.js';

/** Entry of a thread of PooledTextWork: one job at a time. Everything that it imports must be loadable without a build (see there). */
export default doTextJob;
