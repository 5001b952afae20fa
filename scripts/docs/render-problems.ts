import { problems } from '#lib/contracts/problems';

/** The table of problem codes in `docs/reference/api.md`. */
export const renderProblems = (): string =>
  [
    '| code | status | title | same request may succeed later | what to do |',
    '| --- | --- | --- | --- | --- |',
    ...Object.entries(problems).map(
      ([code, { status, title, retryable, advice }]) => `| \`${code}\` | ${status} | ${title} | ${retryable ? 'yes' : 'no'} | ${advice} |`,
    ),
  ].join('\n');
