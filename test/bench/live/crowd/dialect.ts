/** How a server is spoken to once the WebSocket is open. */
export type Dialect = 'parley' | 'socket.io' | 'plain';

/** What a text frame is to the load generator. Message frames are told apart by single bytes, without reading JSON. */
export interface DialectRules {
  /** Where the JSON of a message frame begins. */
  readonly offset: number;
  readonly subprotocol?: string;
  /** A frame that is no message: what to answer, and whether the socket is now open to messages. */
  readonly onControl: (text: string) => { readonly answer?: string; readonly isReady?: true };
  /** Without a greeting: open to messages after the handshake. */
  readonly isReadyAtOnce?: true;
}

const parley: DialectRules = {
  offset: 0,
  subprotocol: 'parley.v1',
  onControl: (text) => {
    if (text.startsWith('{"type":"ping"')) return { answer: '{"type":"pong"}' };
    return text.startsWith('{"type":"resumed"') ? { isReady: true } : {};
  },
};

const socketIo: DialectRules = {
  offset: '42["message",'.length,
  onControl: (text) => {
    if (text.startsWith('0')) return { answer: '40' };
    if (text === '2') return { answer: '3' };
    return text.startsWith('40') ? { isReady: true } : {};
  },
};

/** The rules of each dialect. */
export const dialects: Readonly<Record<Dialect, DialectRules>> = {
  parley,
  'socket.io': socketIo,
  plain: { offset: 0, onControl: () => ({}), isReadyAtOnce: true },
};
