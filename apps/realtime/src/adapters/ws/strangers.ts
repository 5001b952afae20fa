import type { Server, Socket } from 'node:net';
import { FairShare } from '#lib/resilience/limit/fair-share';
import { metrics } from '#lib/runtime/metrics/metrics';
import { remoteAddressOf } from '#lib/runtime/process/remote-address';

/** What all of them together may have sent, in bytes: the tokens of some thousand. */
const MAX_BYTES = 33_554_432;

const STRANGER = Symbol('stranger');
type Connection = Socket & { [STRANGER]?: Stranger | undefined };

interface Stranger {
  readonly all: Strangers;
  readonly address: string;
  bytes: number;
}

/** How many connections may be open whose user is not known; 0 = no limit. */
export interface StrangerLimits {
  readonly max: number;
  readonly maxPerAddress: number;
}

// Shared by all connections: no closure for each.
function onData(this: Connection, chunk: Buffer): void {
  const stranger = this[STRANGER];
  if (stranger?.all.takeBytes(stranger, chunk.length) === false) this.destroy();
}
function onClose(this: Connection): void {
  this[STRANGER]?.all.known(this);
}

/**
 * Connections whose user is not known yet: sockets before their hello, probes, and whatever else connects. They are bounded in all, per address
 * and in the bytes that they have sent, so that those who say nothing useful take no place of those who do.
 */
export class Strangers {
  private readonly share: FairShare;
  private bytes = 0;

  constructor({ max, maxPerAddress }: StrangerLimits) {
    this.share = new FairShare({ max, maxPerCaller: maxPerAddress });
  }

  /** Counts each new connection of `server`; beyond a limit it is cut off. */
  watch(server: Server): void {
    server.on('connection', (connection: Connection) => {
      const address = remoteAddressOf(connection.remoteAddress);
      const refusal = this.share.take(address);
      if (refusal !== undefined) {
        metrics.connectionsRefused.inc({ scope: refusal === 'all' ? 'all' : 'address' });
        connection.destroy();
        return;
      }
      connection[STRANGER] = { all: this, address, bytes: 0 };
      connection.on('close', onClose);
    });
  }

  /** Counts what an upgraded connection sends from now on, until its user is known. */
  count(connection: Connection): void {
    if (connection[STRANGER] !== undefined) connection.on('data', onData);
  }

  /** Its user is known, or it is gone. */
  readonly known = (connection: Connection): void => {
    const stranger = connection[STRANGER];
    if (stranger === undefined) return;
    connection[STRANGER] = undefined;
    connection.off('data', onData);
    connection.off('close', onClose);
    this.share.giveBack(stranger.address);
    this.bytes -= stranger.bytes;
  };

  /** @returns false when all of them together have sent too much. */
  takeBytes(stranger: Stranger, count: number): boolean {
    stranger.bytes += count;
    this.bytes += count;
    if (this.bytes <= MAX_BYTES) return true;
    metrics.connectionsRefused.inc({ scope: 'bytes' });
    return false;
  }
}
