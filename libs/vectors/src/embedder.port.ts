/** Turns texts into vectors of one model. Throws DependencyError when the model cannot be reached. */
export abstract class EmbedderPort {
  /** Name of the model as it stands in the ledger and, as a slug, in the collection's name. */
  abstract readonly model: string;
  /** Length of each vector. */
  abstract readonly dimension: number;
  /** One unit-length vector per text, in the order of `texts`. Deterministic for the `local` provider only. */
  abstract embed(texts: readonly string[]): Promise<Float32Array[]>;
}
