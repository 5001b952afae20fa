const MAX_CAUSES = 10;
/** Names that say nothing. */
const MEANINGLESS = new Set(['Error', 'AggregateError', 'DependencyError']);
const TIMEOUTS = new Set(['AbortError', 'TimeoutError', 'DeadlineExceeded']);

/**
 * One word for what went wrong, safe to show without a token: the innermost code (`ECONNREFUSED`), else the kind that DependencyError found
 * (`timeout`), else the name of an error, else `failed`. Never a message: messages may hold addresses and secrets.
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
