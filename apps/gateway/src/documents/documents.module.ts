import { Module } from '@nestjs/common';
import { LargeBodiesModule } from '../adapters/http/large-bodies/large-bodies.module.js';
import { DocumentsController } from '../adapters/http/routes/documents.controller.js';
import { UploadDocument } from './upload-document.js';

/** Documents that members of a conversation upload and find. */
@Module({ imports: [LargeBodiesModule], controllers: [DocumentsController], providers: [UploadDocument] })
export class DocumentsModule {}
