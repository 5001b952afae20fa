import type { AdminPicture, AdminSectionName } from '#lib/contracts/admin-live';

/** A section's content without `state` and `at`, which the sampler adds. */
export type SectionContent<Name extends AdminSectionName = AdminSectionName> = Omit<
  Extract<AdminPicture[Name], { readonly state: 'known' }>,
  'state' | 'at'
>;

/** Where a section comes from. */
export interface SectionSource {
  readonly name: AdminSectionName;
  /** Between the beginnings of two looks, in milliseconds; at least 1,000. */
  readonly everyMs: number;
  /** A look that takes longer makes the section unknown, in milliseconds. */
  readonly withinMs: number;
  /** @throws whatever keeps it from being known. */
  readonly read: () => Promise<object> | object;
}

/** A source that answers that it does not know. The message is shown to operators. */
export class UnknownToSource extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnknownToSource';
  }
}
