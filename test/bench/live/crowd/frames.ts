/** WebSocket frames of a server (never masked), as the load generator reads them (RFC 6455, section 5.2). */
export const opcodes = { text: 1, close: 8, ping: 9, pong: 10 } as const;

const MASKED = 0x80;
const FINAL = 0x80;
const TWO_BYTES = 126;
const EIGHT_BYTES = 127;

/** Calls back for every whole frame between `from` and `to`. @returns where the first frame begins that is not whole yet. */
export const eachFrame = (
  bytes: Buffer,
  from: number,
  to: number,
  onFrame: (opcode: number, bytes: Buffer, start: number, end: number) => void,
): number => {
  let at = from;
  while (to - at >= 2) {
    let length = bytes[at + 1] ?? 0;
    let start = at + 2;
    if (length === TWO_BYTES) {
      if (to - at < 4) break;
      length = bytes.readUInt16BE(at + 2);
      start = at + 4;
    } else if (length === EIGHT_BYTES) {
      if (to - at < 10) break;
      length = Number(bytes.readBigUInt64BE(at + 2));
      start = at + 10;
    }
    if (start + length > to) break;
    onFrame((bytes[at] ?? 0) & 0x0f, bytes, start, start + length);
    at = start + length;
  }
  return at;
};

/** A frame of a client. Its mask is zero: masking protects proxies, of which there is none here. */
export const clientFrame = (opcode: number, payload: Buffer): Buffer => {
  const { length } = payload;
  const head =
    length < TWO_BYTES
      ? Buffer.from([FINAL | opcode, MASKED | length, 0, 0, 0, 0])
      : Buffer.from([FINAL | opcode, MASKED | TWO_BYTES, length >> 8, length & 0xff, 0, 0, 0, 0]);
  return Buffer.concat([head, payload]);
};

const MESSAGE_CODE = 'm'.charCodeAt(0);
const CREATED_CODE = 'c'.charCodeAt(0);
const ZERO = '0'.charCodeAt(0);
const NINE = '9'.charCodeAt(0);
/** Where `message.created` stands in `{"type":"message.created"`, and its second word. */
const TYPE_AT = '{"type":"'.length;
const CHANGE_AT = '{"type":"message.'.length;
const SEQ = Buffer.from('"seq":');

/** The `seq` of a `message.created` frame whose JSON begins at `start`; 0 for any other frame. */
export const seqOf = (bytes: Buffer, start: number, end: number): number => {
  if (end - start < 40 || bytes[start + TYPE_AT] !== MESSAGE_CODE || bytes[start + CHANGE_AT] !== CREATED_CODE) return 0;
  const found = bytes.indexOf(SEQ, start + CHANGE_AT);
  if (found < 0 || found >= end) return 0;
  let seq = 0;
  for (let at = found + SEQ.length; at < end; at += 1) {
    const digit = bytes[at] ?? 0;
    if (digit < ZERO || digit > NINE) break;
    seq = seq * 10 + digit - ZERO;
  }
  return seq;
};
