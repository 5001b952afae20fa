import type { UserId } from '#lib/contracts/ids';

/** Where an eraser goes on. */
export interface Place {
  /** `next` of the page before; undefined at the beginning of a round. */
  readonly after: string | undefined;
  /** Of a round that confirms: everything older was erased by the rounds before. */
  readonly since: Date | undefined;
}

/** What one page erased. */
export interface ErasedPage {
  /** By store: what it held. */
  readonly counts: Readonly<Record<string, number>>;
  /** Where to go on; undefined at the end of the store. */
  readonly next: string | undefined;
}

/** Erases what stores hold of a user, page by page. Erasing twice is fine. */
export interface Eraser {
  /** What it is called in the progress of a job. */
  readonly name: string;
  /** One page, of bounded size and time. @throws DependencyError while the store is out; {@link CannotErase}. */
  readonly erase: (userId: UserId, place: Place) => Promise<ErasedPage>;
}

/** An erasure cannot go on until an operator does something: `message` is a sentence that says what. */
export class CannotErase extends Error {
  override readonly name = 'CannotErase';
}
