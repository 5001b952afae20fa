import { z } from 'zod';
import { requestTopology } from '#lib/bus/topology';
import { MessageCreated } from '#lib/contracts/events';
import { EMBED_NOW_QUEUE, requests, SCORE_NOW_QUEUE } from '#lib/contracts/pipeline';
import { ScoreAnswer, ScoreQuestion } from '#lib/contracts/scores';
import { type DocumentPart, inChannel, queueChannel, replyChannel, seconds } from './channels.js';
import { exampleOf } from './event-channels.js';
import { type Json, type JsonSchemas, refTo } from '../json-schemas.js';
import { pascal } from './names.js';

const conversationId = '0199a2f0-7d1c-7000-8000-000000000001';

/** What each queue of requests is asked and answers. */
const asking: Readonly<
  Record<
    keyof typeof requests,
    {
      readonly title: string;
      readonly question: z.ZodType;
      readonly answer: z.ZodType;
      readonly asked: unknown;
      readonly answered: unknown;
    }
  >
> = {
  [EMBED_NOW_QUEUE]: {
    title: 'Index a message before its sender is answered (`priority: high`)',
    question: MessageCreated,
    answer: z.object({ indexed: z.literal(true) }),
    asked: exampleOf('message.created'),
    answered: { indexed: true },
  },
  [SCORE_NOW_QUEUE]: {
    title: 'What a conversation would be worth to the score of a user',
    question: ScoreQuestion,
    answer: ScoreAnswer,
    asked: { conversationId, userId: 'alice' },
    answered: {
      score: { conversationId, scoreChange: 12, userQuestions: 2, emotion: 'happy', degraded: false, reasons: ['2 questions asked'] },
    },
  },
};

/** Requests that one process answers, and where the answers go. */
export const requestPart = (schemas: JsonSchemas): DocumentPart => {
  const part = { channels: {} as Record<string, Json>, operations: {} as Record<string, Json>, messages: {} as Record<string, Json> };
  for (const queue of Object.keys(requests) as (keyof typeof requests)[]) {
    const row = requests[queue];
    const { title, question, answer, asked, answered } = asking[queue];
    const [ask, reply, replies] = [`${pascal(queue)}Question`, `${pascal(queue)}Answer`, `${queue}.replies`];
    const correlationId = {
      location: '$message.header#/correlationId',
      description: 'The property `correlation_id`: of the question and of its answer',
    };
    const message = (name: string, schema: z.ZodType, example: unknown): Json => ({
      name,
      title: name,
      summary: title,
      contentType: 'application/json',
      headers: { type: 'object', properties: { correlationId: { type: 'string' }, replyTo: { type: 'string' } } },
      payload: schemas.add(name, schema),
      correlationId,
      examples: [{ name, payload: example }],
    });
    part.messages[ask] = message(ask, question, asked);
    part.messages[reply] = message(reply, answer, answered);
    const [plan] = requestTopology(queue, row).queues;
    if (plan === undefined) continue;
    const limits = `Answered within ${seconds(row.timeoutMs)}, once or not at all; ${row.maxWaiting} wait at most, of ${row.maxBytes} bytes at most.`;
    part.channels[queue] = queueChannel(plan, title, [ask], limits);
    part.channels[replies] = replyChannel(title, [reply]);
    const replyTo = {
      address: { location: '$message.header#/replyTo' },
      channel: refTo('channels', replies),
      messages: inChannel(replies, [reply]),
    };
    const operation = { channel: refTo('channels', queue), summary: title, messages: inChannel(queue, [ask]), reply: replyTo };
    for (const app of row.producers) {
      const bindings = { amqp: { deliveryMode: 1, expiration: row.timeoutMs, mandatory: true, bindingVersion: '0.3.0' } };
      part.operations[`${app}.ask.${queue}`] = {
        action: 'send',
        title: `${app} asks ${row.app}`,
        ...operation,
        tags: [{ name: app }],
        bindings,
      };
    }
    part.operations[`${row.app}.answer.${queue}`] = {
      action: 'receive',
      title: `${row.app} answers`,
      ...operation,
      tags: [{ name: row.app }],
    };
  }
  return part;
};
