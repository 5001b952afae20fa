import { Module } from '@nestjs/common';
import { LargeBodiesModule } from '../adapters/http/large-bodies/large-bodies.module.js';
import { EndsController } from '../adapters/http/routes/ends.controller.js';
import { EndConversation } from './end-conversation.js';

/** Ends of conversations. Needs the ends of ScoresModule. */
@Module({ imports: [LargeBodiesModule], controllers: [EndsController], providers: [EndConversation] })
export class EndsModule {}
