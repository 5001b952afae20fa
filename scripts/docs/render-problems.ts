import { problems } from '#lib/contracts/problems';

/** The table of problem codes in `docs/api.md`. */
export const renderProblems = (): string =>
  [
    '| code | status | title | same request may succeed later |',
    '| --- | --- | --- | --- |',
    ...Object.entries(problems).map(
      ([code, { status, title, retryable }]) => `| \`${code}\` | ${status} | ${title} | ${retryable ? 'yes' : 'no'} |`,
    ),
  ].join('\n');
