import { Module } from '@nestjs/common';
import { AdminStreams } from '../adapters/http/live/admin-streams.js';
import { AdminLiveController } from '../adapters/http/routes/admin/live.controller.js';
import { AdminTracesController } from '../adapters/http/routes/admin/traces.controller.js';
import { MessagesModule } from '../messages/messages.module.js';
import { DeepHealth } from '../operations/deep-health.js';
import { SampleSections } from './sample-sections.js';
import { SectionSources } from './section-sources.js';
import { TraceMessage } from './trace-message.js';

/** What operators watch: one picture of the whole, sampled once for all of them. */
@Module({
  imports: [MessagesModule],
  controllers: [AdminLiveController, AdminTracesController],
  providers: [
    DeepHealth,
    SectionSources,
    {
      provide: SampleSections,
      inject: [SectionSources],
      useFactory: (sources: SectionSources) => new SampleSections(sources.all()),
    },
    AdminStreams,
    TraceMessage,
  ],
})
export class LiveAdminModule {}
