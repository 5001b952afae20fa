import { conversationEndBody } from './conversation-end-body.js';
import { documentBody } from './document-body.js';

/** Every kind of large body, by name. Threads load this file: see thread-entry.ts for what it may import. */
export const bodyKinds = { conversationEnd: conversationEndBody, document: documentBody } as const;

export type BodyKindName = keyof typeof bodyKinds;
/** What is made of a body of that kind. */
export type MadeOf<Name extends BodyKindName> = ReturnType<(typeof bodyKinds)[Name]['make']>;
