import { readdirSync, readFileSync } from 'node:fs';

const FOLDER = 'docs/adr';
const HEAD = /^# (\d+)\. (.+)\n\n\*\*Status\.\*\* (.+)\n/;

const rowOf = (file: string): string => {
  const [, number, title, status] = HEAD.exec(readFileSync(`${FOLDER}/${file}`, 'utf8')) ?? [];
  if (number === undefined || title === undefined || status === undefined || !/\b\d{4}-\d\d-\d\d\b/.test(status))
    throw new Error(`${FOLDER}/${file} must begin with "# <number>. <title>", an empty line and "**Status.** <status>, <YYYY-MM-DD>."`);
  return `| ${number} | [${title}](${file}) | ${status.replace(/\.$/, '')} |`;
};

/** `docs/adr/README.md`: the decisions with status and date, as the head of each page says them. @throws Error for a page without them. */
export const renderDecisions = (): string => `# Decisions

One page for each hard choice: context, options, decision, what would change our mind. Printed from the pages by \`npm run docs\`. Numbers that are missing were never given to a decision.

| | decision | status |
| --- | --- | --- |
${readdirSync(FOLDER)
  .filter((file) => /^\d{4}-.*\.md$/.test(file))
  .sort()
  .map(rowOf)
  .join('\n')}
`;
