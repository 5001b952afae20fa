import { Module } from '@nestjs/common';
import { LOGGER, type Logger } from '#lib/runtime/log/logger';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { LargeBodies } from './large-bodies.js';

const largeBodies = (logger: Logger, lifecycle: Lifecycle): LargeBodies => {
  const bodies = new LargeBodies(logger);
  lifecycle.add({ name: 'threads for large bodies', phase: 'background', stop: () => bodies.close() });
  return bodies;
};

/** LargeBodies, for the routes of body-kinds.ts: one pool of threads for all of them. */
@Module({
  providers: [{ provide: LargeBodies, inject: [LOGGER, Lifecycle], useFactory: largeBodies }],
  exports: [LargeBodies],
})
export class LargeBodiesModule {}
