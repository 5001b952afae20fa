import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { problems } from '#lib/contracts/problems';
import { PROBLEMS_PAGE } from '../problems/problems.js';

const sections = Object.entries(problems).map(
  ([code, { status, title, advice }]) => `<h2 id="${code}">${status} ${code}</h2>\n<p>${title}. ${marked(advice)}</p>`,
);

/** The page that the `type` of every problem leads to. */
const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Problems of the Parley API</title>
<h1>Problems of the Parley API</h1>
<p>Every error is <code>application/problem+json</code> (RFC 9457). Its <code>code</code> is one of these.</p>
${sections.join('\n')}
</html>
`;

@ApiExcludeController()
@Controller()
export class ProblemsPageController {
  @Get(PROBLEMS_PAGE)
  @Header('content-type', 'text/html; charset=utf-8')
  show(): string {
    return page;
  }
}

/** Backticks and angle brackets of our own sentences, as HTML. */
function marked(text: string): string {
  return text.replaceAll('<', '&lt;').replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}
