import type { ClientFrame, ServerFrameType } from '#lib/contracts/socket';
import { metrics } from '#lib/runtime/metrics/metrics';

/** What a frame in is counted as; `bad`: not one of the protocol. */
export type ClientFrameLabel = ClientFrame['type'] | 'bad';

/** Counts frames in plain numbers, and writes them into `ws_frames_total` when it is told to: a labelled counter costs more than a frame. */
export class FrameCounts {
  private readonly incoming = new Map<ClientFrameLabel, number>();
  private readonly outgoing = new Map<ServerFrameType, number>();

  in(type: ClientFrameLabel): void {
    this.incoming.set(type, (this.incoming.get(type) ?? 0) + 1);
  }

  out(type: ServerFrameType): void {
    this.outgoing.set(type, (this.outgoing.get(type) ?? 0) + 1);
  }

  write(): void {
    for (const [type, count] of this.incoming) metrics.wsFrames.inc({ direction: 'in', type }, count);
    for (const [type, count] of this.outgoing) metrics.wsFrames.inc({ direction: 'out', type }, count);
    this.incoming.clear();
    this.outgoing.clear();
  }
}
