/**
 * The limit of one call of a model, in milliseconds: within the 30 s of R104, and so much shorter than a handler's deadline that a model that
 * hangs is seen to hang, by its breaker, before the handler that waits for it ends (law 1).
 */
export const EMBED_CALL_TIMEOUT_MS = 20_000;

/** The model works, but does not take one of these texts: it would not take it on the next attempt either. Never holds the text. */
export class TextRejected extends Error {
  constructor(model: string, reason: string) {
    super(`${model} does not take this text: ${reason}`);
    this.name = 'TextRejected';
  }
}

/** Turns texts into vectors of one model. Throws DependencyError when the model cannot be reached, TextRejected when it refuses a text. */
export abstract class EmbedderPort {
  /** Name of the model as it stands in the ledger and, as a slug, in the collection's name. */
  abstract readonly model: string;
  /** Length of each vector. */
  abstract readonly dimension: number;
  /** One unit-length vector per text, in the order of `texts`. Deterministic for the `local` provider only. Do not write into the vectors. */
  abstract embed(texts: readonly string[]): Promise<Float32Array[]>;
  /** Closes its connections, if it has any. Calls in flight fail. */
  close(): void {}
}
