import { RESOURCE_METADATA_PATH } from '../../mcp/protected-resource.js';

/** Where orchestrators, Prometheus and people with a browser look: no token, no quota, no place in flight needed. */
const OPERATIONS = new Set([
  '/',
  '/console.json',
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
export const isOperations = (route: string | undefined): boolean =>
  route !== undefined && (OPERATIONS.has(route) || isDocs(route) || isAsset(route));

/** Whether a route is a file that the page of the console loads. */
export const isAsset = (route: string | undefined): boolean => route !== undefined && route.startsWith('/assets/');

/** Whether a route belongs to Swagger UI. */
export const isDocs = (route: string | undefined): boolean => route !== undefined && (route === '/docs' || route.startsWith('/docs/'));
