/** A final, unmasked text frame (RFC 6455, section 5.2). */
const TEXT = 0x81;
const SHORT = 125;
const MAX_16_BITS = 65_535;

let lastBytes: Buffer | undefined;
let lastWire: Buffer | undefined;

/**
 * A text frame as it stands on the connection of a client. Remembers the last one: a frame goes to all sockets that want it, one after the other,
 * before the next.
 */
export const wireOf = (bytes: Buffer): Buffer => {
  if (bytes === lastBytes && lastWire !== undefined) return lastWire;
  lastBytes = bytes;
  lastWire = Buffer.concat([headerOf(bytes.length), bytes]);
  return lastWire;
};

const headerOf = (length: number): Buffer => {
  if (length <= SHORT) return Buffer.from([TEXT, length]);
  const header = Buffer.alloc(length <= MAX_16_BITS ? 4 : 10);
  header[0] = TEXT;
  if (length <= MAX_16_BITS) {
    header[1] = 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 127;
    header.writeBigUInt64BE(BigInt(length), 2);
  }
  return header;
};
