import { Module } from '@nestjs/common';
import { ConversationsController } from '../adapters/http/routes/conversations.controller.js';
import { MessageController } from '../adapters/http/routes/message.controller.js';
import { MessagesController } from '../adapters/http/routes/messages.controller.js';
import { RecordReceipt } from '#lib/conversations/record-receipt';
import { AddMember } from '../conversations/add-member.js';
import { ListConversations } from '../conversations/list-conversations.js';
import { RemoveMember } from '../conversations/remove-member.js';
import { StartConversation } from '../conversations/start-conversation.js';
import { LoadModule } from '#lib/database/load.module';
import { DeleteMessage } from './delete-message.js';
import { EditMessage } from './edit-message.js';
import { EmbedNow } from './embed-now.js';
import { ReadMessages } from './read-messages.js';
import { ReadStages } from './read-stages.js';
import { ShowMessages } from './show-messages.js';
import { StoreMessage } from './store-message.js';

/** Conversations, and the messages in them. */
@Module({
  imports: [LoadModule],
  controllers: [MessagesController, MessageController, ConversationsController],
  providers: [
    StoreMessage,
    EmbedNow,
    EditMessage,
    DeleteMessage,
    ReadStages,
    ShowMessages,
    ReadMessages,
    ListConversations,
    StartConversation,
    AddMember,
    RemoveMember,
    RecordReceipt,
  ],
  exports: [ReadStages, ShowMessages, ReadMessages, ListConversations, StoreMessage],
})
export class MessagesModule {}
