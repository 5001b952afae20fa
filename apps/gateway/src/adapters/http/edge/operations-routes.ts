import { RESOURCE_METADATA_PATH } from '../../mcp/protected-resource.js';

/** Where orchestrators, Prometheus and people with a browser look: no token, no quota, no place in flight needed. */
const OPERATIONS = new Set([
  '/',
  '/livez',
  '/readyz',
  '/metrics',
  '/v1/health',
  '/openapi.json',
  '/asyncapi.json',
  '/problems',
  RESOURCE_METADATA_PATH,
]);

/** Whether a route (its template, not a path that a client sent) is an operations route. */
export const isOperations = (route: string | undefined): boolean => route !== undefined && (OPERATIONS.has(route) || isDocs(route));

/** Whether a route belongs to Swagger UI, the only HTML that we serve. */
export const isDocs = (route: string | undefined): boolean => route !== undefined && (route === '/docs' || route.startsWith('/docs/'));
