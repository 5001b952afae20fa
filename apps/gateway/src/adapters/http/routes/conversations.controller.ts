import { Controller, Delete, Get, HttpCode, Post, Put, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiHeader, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import type { EventHeaders } from '#lib/bus/publish/publisher.port';
import { ConversationList, ConversationPage, ConversationView, NewConversation, Receipt } from '#lib/contracts/http';
import type { UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { Conversation } from '#lib/conversations/conversation-store.port';
import { ConversationStorePort } from '#lib/conversations/conversation-store.port';
import { RecordReceipt } from '#lib/conversations/record-receipt';
import { currentContext } from '#lib/runtime/log/context';
import { AddMember } from '../../../conversations/add-member.js';
import { ListConversations } from '../../../conversations/list-conversations.js';
import { RemoveMember } from '../../../conversations/remove-member.js';
import { StartConversation } from '../../../conversations/start-conversation.js';
import { Caller, ConversationRef, IdempotencyKey, MemberRef } from './parameters.js';
import { FromBody, FromPath, FromQuery } from '../problems/validation.js';

const noSuchConversation = () => new ProblemError('not-found', 'There is no such conversation.');

@ApiTags('conversations')
@Controller('v1/conversations')
export class ConversationsController {
  constructor(
    private readonly conversations: ConversationStorePort,
    private readonly listConversations: ListConversations,
    private readonly startConversation: StartConversation,
    private readonly addMember: AddMember,
    private readonly removeMember: RemoveMember,
    private readonly recordReceipt: RecordReceipt,
  ) {}

  @Post()
  @ApiOperation({ operationId: 'createConversation', summary: 'Start a conversation' })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      'A start that is repeated with the same key and body answers the conversation that is there: 1-255 printable ASCII characters.',
  })
  @ApiCreatedResponse({ standardSchema: ConversationView })
  async create(
    @Caller() creatorId: UserId,
    @FromBody(NewConversation) body: NewConversation,
    @IdempotencyKey() key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<ConversationView> {
    const draft = { title: body.title ?? null, creatorId, memberIds: body.memberIds, key, headers: headers() };
    const conversation = await this.startConversation.execute(draft);
    reply.header('location', `/v1/conversations/${conversation.id}`);
    if (conversation.replayed) reply.header('idempotency-replayed', 'true');
    return viewOf(conversation);
  }

  @Get()
  @ApiOperation({ operationId: 'listConversations', summary: 'My conversations, newest activity first' })
  @ApiOkResponse({ standardSchema: ConversationList })
  list(@Caller() reader: UserId, @FromQuery(ConversationPage) page: ConversationPage): Promise<ConversationList> {
    return this.listConversations.execute(reader, page);
  }

  @Get(':conversationId')
  @ApiOperation({ operationId: 'getConversation', summary: 'One of my conversations' })
  @ApiOkResponse({ standardSchema: ConversationView })
  async get(@Caller() reader: UserId, @FromPath(ConversationRef) { conversationId }: ConversationRef): Promise<ConversationView> {
    const conversation = await this.conversations.find(conversationId, reader);
    if (conversation === undefined) throw noSuchConversation();
    return viewOf(conversation);
  }

  @Put(':conversationId/members/:userId')
  @ApiOperation({
    operationId: 'addMember',
    summary: 'Add a member, or come back after leaving; members who left on their own are not added by others',
  })
  @HttpCode(204)
  @ApiNoContentResponse()
  async putMember(@Caller() actor: UserId, @FromPath(MemberRef) { conversationId, userId }: MemberRef): Promise<void> {
    await this.addMember.execute(conversationId, actor, userId, headers());
  }

  @Delete(':conversationId/members/:userId')
  @ApiOperation({ operationId: 'removeMember', summary: 'Remove a member, or leave' })
  @HttpCode(204)
  @ApiNoContentResponse()
  async deleteMember(@Caller() actor: UserId, @FromPath(MemberRef) { conversationId, userId }: MemberRef): Promise<void> {
    await this.removeMember.execute(conversationId, actor, userId, headers());
  }

  @Put(':conversationId/receipts')
  @ApiOperation({ operationId: 'recordReceipt', summary: 'Say what I have received and read' })
  @HttpCode(204)
  @ApiNoContentResponse()
  async putReceipt(
    @Caller() reader: UserId,
    @FromPath(ConversationRef) { conversationId }: ConversationRef,
    @FromBody(Receipt) receipt: Receipt,
  ): Promise<void> {
    if (!(await this.recordReceipt.execute(conversationId, reader, receipt, headers()))) throw noSuchConversation();
  }
}

/** What travels with the events of this request. */
const headers = (): EventHeaders => {
  const { requestId, traceparent } = currentContext();
  return { requestId, traceparent };
};

const viewOf = ({ id, title, memberIds, headSeq, createdAt }: Conversation): ConversationView => ({
  id,
  title,
  memberIds: [...memberIds],
  headSeq,
  createdAt: createdAt.toISOString(),
});
