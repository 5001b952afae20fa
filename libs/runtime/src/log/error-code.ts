const MAX_CAUSES = 10;
/** An error without a code of its own says nothing by these names. */
const MEANINGLESS = new Set(['Error', 'AggregateError', 'DependencyError']);
const TIMEOUTS = new Set(['AbortError', 'TimeoutError', 'DeadlineExceeded']);

/**
 * What went wrong in one word that may be shown to anybody: the innermost code says most (`ECONNREFUSED`); without any, the kind of failure
 * that our own wrapper found (`timeout`), then the name of an error, `failed` when even that says nothing. Never a message: those may hold
 * addresses and secrets.
 */
export const errorCode = (error: unknown): string => {
  const outermostFirst = chainOf(error);
  const innermostFirst = outermostFirst.toReversed();
  const name = innermostFirst.map((each) => each.name).find((each) => !MEANINGLESS.has(each));
  return (
    firstText(innermostFirst, 'code') ??
    firstText(outermostFirst, 'kind') ??
    (name === undefined ? 'failed' : TIMEOUTS.has(name) ? 'timeout' : name)
  );
};

const chainOf = (error: unknown): Error[] => {
  const chain: Error[] = [];
  for (let each = error; each instanceof Error && chain.length < MAX_CAUSES; each = each.cause) chain.push(each);
  return chain;
};

const firstText = (errors: readonly Error[], field: 'code' | 'kind'): string | undefined => {
  for (const error of errors) {
    const value = (error as unknown as Record<string, unknown>)[field];
    if (typeof value === 'string') return value;
  }
  return undefined;
};
