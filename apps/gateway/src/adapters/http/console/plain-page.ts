import { createHash } from 'node:crypto';

const STYLE =
  'body{font:16px/1.6 system-ui,sans-serif;max-width:42rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}code{font-size:.9em}dt{margin-top:.8rem}';

/** Where to go from here, for a gateway that serves no console. */
export const PLAIN_PAGE = `<!doctype html>
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

/** The page has one style: a browser may load, run, frame and send nothing. */
export const PLAIN_PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
