import { isDocs } from './operations-routes.js';

// Every answer belongs to its caller or to this moment: no cache in between may keep it.
const always = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-resource-policy': 'same-origin',
} as const;

const api = { ...always, 'content-security-policy': "default-src 'none'; frame-ancestors 'none'" } as const;

// Swagger UI brings its own scripts and has inline styles and a data: logo; it loads nothing from elsewhere.
const docs = {
  ...always,
  'content-security-policy':
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'",
} as const;

/** Headers of every answer of a route: no sniffing, no framing, no caching. No CORS: browsers of other origins stay out unless `CORS_ORIGINS` names them. */
export const headersOf = (route: string | undefined): Readonly<Record<string, string>> => (isDocs(route) ? docs : api);
