import { Controller, Get, HttpCode, Post, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { DocumentId, DocumentView } from '#lib/contracts/documents';
import type { UserId } from '#lib/contracts/ids';
import { ProblemError } from '#lib/contracts/problems';
import type { Document } from '#lib/conversations/documents/document';
import { DocumentStorePort } from '#lib/conversations/documents/document-store.port';
import { currentContext, enrichContext } from '#lib/runtime/log/context';
import { UploadDocument } from '../../../documents/upload-document.js';
import { LargeBodies } from '../large-bodies/large-bodies.js';
import { LargeBody } from '../large-bodies/large-body-routes.js';
import { FromPath } from '../problems/validation.js';
import { Caller, IdempotencyKey, IsService } from './parameters.js';

const DocumentRef = z.strictObject({ documentId: DocumentId });
type DocumentRef = z.infer<typeof DocumentRef>;

@ApiTags('documents')
@Controller('v1/documents')
export class DocumentsController {
  constructor(
    private readonly bodies: LargeBodies,
    private readonly uploadDocument: UploadDocument,
    private readonly documents: DocumentStorePort,
  ) {}

  @Post()
  @ApiOperation({
    operationId: 'uploadDocument',
    summary: 'Have a text found beside the messages of a conversation: stored when this is answered',
  })
  @HttpCode(202)
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      'An upload that is repeated with the same key and body answers the document that is there: 1-255 printable ASCII characters.',
  })
  @ApiAcceptedResponse({ standardSchema: DocumentView, headers: { Location: { schema: { type: 'string' } } } })
  async upload(
    @Caller() ownerId: UserId,
    @LargeBody('document') body: Buffer,
    @IdempotencyKey() key: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<DocumentView> {
    const cut = await this.bodies.read('document', ownerId, body);
    enrichContext({ conversationId: cut.conversationId });
    const { requestId, traceparent } = currentContext();
    const { document, replayed } = await this.uploadDocument.execute({ ...cut, ownerId, key, requestId, traceparent });
    reply.header('location', `/v1/documents/${document.id}`);
    if (replayed) reply.header('idempotency-replayed', 'true');
    return viewOf(document);
  }

  @Get(':documentId')
  @ApiOperation({
    operationId: 'getDocument',
    summary: 'A document, and how far its indexing is',
    description: 'A token with the scope `service` sees every document.',
  })
  @ApiOkResponse({ standardSchema: DocumentView })
  async get(
    @Caller() reader: UserId,
    @IsService() isService: boolean,
    @FromPath(DocumentRef) { documentId }: DocumentRef,
  ): Promise<DocumentView> {
    const document = await (isService ? this.documents.findForService(documentId) : this.documents.find(documentId, reader));
    if (document === undefined) throw new ProblemError('not-found', 'There is no such document.');
    return viewOf(document);
  }
}

const viewOf = ({ id, conversationId, ownerId, title, length, createdAt, state, parts, chunks }: Document): DocumentView => ({
  id,
  conversationId,
  ownerId,
  title,
  length,
  createdAt: createdAt.toISOString(),
  state,
  parts: { ...parts },
  chunks: { ...chunks },
});
