import { Module } from '@nestjs/common';
import { LoadModule } from '#lib/database/load.module';
import { ContextModule } from '../../context/context.module.js';
import { MessagesModule } from '../../messages/messages.module.js';
import { SearchModule } from '../../search/search.module.js';
import { AgentTools } from './agent-tools.js';
import { McpController } from './mcp.controller.js';
import { ProtectedResourceController } from './protected-resource.controller.js';

/** Conversations as tools of LLM agents (Model Context Protocol). */
@Module({
  imports: [MessagesModule, SearchModule, ContextModule, LoadModule],
  controllers: [McpController, ProtectedResourceController],
  providers: [AgentTools],
})
export class McpModule {}
