import { z } from 'zod';
import { SuggestionRequest, SuggestionView } from '#lib/contracts/activities';
import { DocumentView, NewDocument } from '#lib/contracts/documents';
import {
  ContextRequest,
  ContextView,
  ConversationList,
  ConversationPage,
  ConversationView,
  EditedMessage,
  MessageList,
  MessagePage,
  NewConversation,
  NewMessage,
  PresenceList,
  Receipt,
  SearchQuery,
  SearchResults,
} from '#lib/contracts/http';
import { JobAccepted, JobView } from '#lib/contracts/jobs';
import { Problem } from '#lib/contracts/problems';
import { DeviceRegistration } from '#lib/contracts/push';
import {
  ConversationEnd,
  ConversationEndView,
  FriendshipHistory,
  FriendshipHistoryPage,
  FriendshipStatusView,
  ScoreCalculation,
  ScoreView,
} from '#lib/contracts/scores';
import { JsonSchemas } from '../../apps/gateway/src/adapters/http/schema/json-schemas.js';
import { printTypes } from './print-types.js';

/** What the client sends and reads. What they refer to is printed as well. */
const printed: Readonly<Record<string, z.ZodType>> = {
  NewConversation,
  Conversation: ConversationView,
  ConversationPage,
  ConversationList,
  Receipt,
  ConversationEnd,
  ConversationEndAccepted: ConversationEndView,
  NewMessage,
  EditedMessage,
  MessagePage,
  MessageList,
  SearchQuery,
  SearchResults,
  ContextRequest,
  ContextWindow: ContextView,
  PresenceList,
  NewDocument,
  Document: DocumentView,
  DeviceRegistration,
  FriendshipStatus: FriendshipStatusView,
  FriendshipHistoryPage,
  FriendshipHistory,
  ScoreCalculation,
  Score: ScoreView,
  Job: JobView,
  JobAccepted,
  SuggestionRequest,
  Suggestion: SuggestionView,
  Problem,
};

/** `clients/typescript/src/rest-types.ts`: the bodies of REST as the contracts have them, so that the client needs none of their packages. */
export const renderClientTypes = (): string => {
  const schemas = new JsonSchemas('draft-2020-12');
  for (const [name, schema] of Object.entries(printed)) schemas.add(name, schema);
  return `// Printed from libs/contracts by \`npm run docs\`; a test keeps it true.\n\n${printTypes(schemas.components)}`;
};
