import { describe, expect, it } from 'vitest';
import { renderAsyncApi } from './asyncapi.js';
import { eventSchemas } from './events.js';

it('the AsyncAPI document has the schema of every event', () => {
  const document = renderAsyncApi('1.0.0') as { components: { messages: Record<string, { payload: { required: string[] } }> } };
  expect(Object.keys(document.components.messages)).toEqual(Object.keys(eventSchemas));
  expect(document.components.messages['message.created']?.payload.required).toContain('eventId');
});

describe('the operations of the AsyncAPI document', () => {
  it('name the queue that receives an event', () => {
    expect(renderAsyncApi('1.0.0')).toHaveProperty(['operations', 'embedding.messages receives message.created']);
  });
});
