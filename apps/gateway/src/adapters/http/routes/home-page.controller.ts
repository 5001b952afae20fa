import { createHash } from 'node:crypto';
import { Controller, Get, Req, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ProblemError } from '#lib/contracts/problems';

const STYLE =
  'body{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}code{font-size:.9em}dt{margin-top:.8rem}';

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Parley</title>
<style>${STYLE}</style>
<h1>Parley</h1>
<p>A conversation backend: a message is committed, acknowledged, and searchable a moment later.</p>
<dl>
<dt><a href="/docs">API with a page to try it</a></dt><dd>needs a token: <code>npm run parley -- token --user alice</code></dd>
<dt><a href="/v1/health">Health</a></dt><dd>of everything behind this process, and since when</dd>
<dt><a href="/metrics">Metrics</a>, <a href="/openapi.json">OpenAPI</a>, <a href="/asyncapi.json">AsyncAPI</a></dt><dd>for Prometheus and generators</dd>
<dt>RabbitMQ's own page</dt><dd><code>npm run status</code> shows its address and login</dd>
<dt>Operating</dt><dd><code>npm run parley -- --help</code>: queues, breakers, what is in flight, dead letters; runbooks are in <code>docs/operate/runbooks</code></dd>
<dt>See it work</dt><dd><code>npm run demo</code>, and with an outage: <code>npm run demo -- --break chroma</code></dd>
</dl>
</html>
`;

// The page has one style: a browser may load, run, frame and send nothing.
const CONTENT_SECURITY_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** `GET /` for people with a browser: where to go from here. Everything else gets the 404 of an unknown route. */
@ApiExcludeController()
@Controller()
export class HomePageController {
  @Get()
  show(@Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    if (!(request.headers.accept ?? '').includes('text/html')) throw new ProblemError('not-found', 'No such route');
    void reply.header('content-security-policy', CONTENT_SECURITY_POLICY).type('text/html; charset=utf-8').send(PAGE);
  }
}
