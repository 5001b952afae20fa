import { ClientFrame, closeCodes, ServerFrame } from '#lib/contracts/socket';
import { clientFrameTexts, closeTexts, serverFrameTexts } from '../../apps/gateway/src/adapters/http/schema/asyncapi/frame-texts.js';
import { asyncApi, type FieldSchema, payloadOf } from './asyncapi-tables.js';

const fieldsOf = ({ properties = {}, required = [] }: FieldSchema): string =>
  Object.keys(properties)
    .filter((name) => name !== 'type')
    .map((name) => `\`${name}${required.includes(name) ? '' : '?'}\``)
    .join(', ');

/** Fields of the frames of a direction, by type. */
const fieldsByType = (isServer: boolean): ReadonlyMap<string, string> =>
  new Map(
    Object.entries(asyncApi.components.messages)
      .filter(([id]) => id.endsWith('Frame') && id.startsWith('Server') === isServer)
      .map(([, message]) => [message.name, fieldsOf(payloadOf(message))]),
  );

/** The tables of docs/reference/websocket.md: frames of both sides, and close codes. */
export const renderSocket = (): string => {
  const [fromClient, fromServer] = [fieldsByType(false), fieldsByType(true)];
  return `## Frames of the client

Fields with \`?\` may be left out. Any other field, type or shape closes the socket with 4400, but for the content of a \`send\`: it is answered with an \`error\`.

| type | fields | what it says | answer |
| --- | --- | --- | --- |
${ClientFrame.options
  .map(({ shape }) => shape.type.value)
  .map((type) => `| \`${type}\` | ${fromClient.get(type) ?? ''} | ${clientFrameTexts[type].summary} | ${clientFrameTexts[type].answer} |`)
  .join('\n')}

## Frames of the server

| type | fields | what it says |
| --- | --- | --- |
${ServerFrame.options
  .map(({ shape }) => shape.type.value)
  .map((type) => `| \`${type}\` | ${fromServer.get(type) ?? ''} | ${serverFrameTexts[type].summary} |`)
  .join('\n')}

\`message\` is what REST gives ([api.md](api.md)); \`code\` of an \`error\` is a [problem code](api.md#problems); \`GET /v1/friendship_status/{userId}\` has the newest [score](../concepts/friendship.md).

## Close codes

| code | means | what to do |
| --- | --- | --- |
${Object.entries(closeCodes)
  .map(([name, code]) => ({ code, ...closeTexts[name as keyof typeof closeCodes] }))
  .map(({ code, means, advice }) => `| ${code} | ${means} | ${advice} |`)
  .join('\n')}`;
};
