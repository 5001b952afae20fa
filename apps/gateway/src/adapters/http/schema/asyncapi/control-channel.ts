import type { z } from 'zod';
import { CONTROL_EXCHANGE, ControlMessage, ControlReply, controlAnswers } from '#lib/contracts/control';
import { type DocumentPart, exchangeChannel, inChannel, replyChannel } from './channels.js';
import { type Json, type JsonSchemas, refTo } from '../json-schemas.js';

/** Questions to every process over a fanout exchange (ADR 21). */
export const controlPart = (schemas: JsonSchemas): DocumentPart => {
  const from = { app: 'gateway', host: 'host-1', pid: 42 };
  const replies = `${CONTROL_EXCHANGE}.replies`;
  const message = (name: string, summary: string, schema: z.ZodType, examples: readonly Json[]): Json => ({
    name,
    title: name,
    summary,
    contentType: 'application/json',
    payload: schemas.add(name, schema),
    examples: examples.map((payload) => ({ name, payload })),
  });
  const operation = {
    channel: refTo('channels', CONTROL_EXCHANGE),
    messages: inChannel(CONTROL_EXCHANGE, ['ControlMessage']),
    reply: {
      address: { location: '$message.header#/replyTo' },
      channel: refTo('channels', replies),
      messages: inChannel(replies, ['ControlReply']),
    },
    tags: [{ name: 'control' }],
  };
  const questions = Object.keys(controlAnswers).join(', ');
  return {
    channels: {
      [CONTROL_EXCHANGE]: exchangeChannel(
        '',
        { name: CONTROL_EXCHANGE, type: 'fanout' },
        {
          title: 'Questions to every process',
          description:
            'Every process has an exclusive queue bound to this exchange, whose messages live one second; the routing key is empty.',
        },
        ['ControlMessage'],
      ),
      [replies]: replyChannel('questions to every process', ['ControlReply']),
    },
    operations: {
      'process.ask.control': { action: 'send', title: 'A process asks all others', summary: `Questions: ${questions}.`, ...operation },
      'process.answer.control': {
        action: 'receive',
        title: 'Every process answers',
        summary: 'Within a second, with 256 KiB at most.',
        ...operation,
      },
    },
    messages: {
      ControlMessage: message('ControlMessage', 'A question, or the announcement that a process stops.', ControlMessage, [
        { kind: 'question', from, question: 'breakers' },
        { kind: 'leaving', from },
      ]),
      ControlReply: message('ControlReply', 'What one process answers.', ControlReply, [{ from, answer: [] }]),
    },
  };
};
