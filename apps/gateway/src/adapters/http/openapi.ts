import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { Problem } from '#lib/contracts/problems';
import { isOperations } from './operations-routes.js';
import { PROBLEM_TYPE } from './problems.js';

type OperationObject = NonNullable<OpenAPIObject['paths'][string]['get']>;

/** Version of the HTTP API and of the events, not of the software. */
export const API_VERSION = '1.0.0';

// What Nest cannot be told: problems have a media type of their own, and operations routes need no token.
const asServed = (document: OpenAPIObject): OpenAPIObject => {
  for (const [path, item] of Object.entries(document.paths)) {
    for (const operation of Object.values(item) as OperationObject[]) {
      if (isOperations(path)) operation.security = [];
      const problem = operation.responses['default'];
      // The operations may share one object: it is replaced once per operation, never changed.
      if (problem === undefined || !('content' in problem) || problem.content?.['application/json'] === undefined) continue;
      operation.responses['default'] = { ...problem, content: { [PROBLEM_TYPE]: problem.content['application/json'] } };
    }
  }
  return document;
};

/** Serves `GET /openapi.json` and Swagger UI under `GET /docs`; the page brings all its files, so it works without the internet. */
export const serveOpenApi = (app: NestFastifyApplication): void => {
  const config = new DocumentBuilder()
    .setTitle('Parley')
    .setDescription('A conversation backend: a message is committed, acknowledged with 202, and searchable a moment later.')
    .setVersion(API_VERSION)
    .setOpenAPIVersion('3.1.0')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }, 'token')
    .addSecurityRequirements('token')
    .addGlobalResponse({
      status: 'default',
      description: 'A problem document (RFC 9457, application/problem+json).',
      standardSchema: Problem,
    })
    .build();
  // Built at the first request: it takes a tenth of a second that no other request should wait for.
  SwaggerModule.setup('docs', app, () => asServed(SwaggerModule.createDocument(app, config)), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'Parley API',
  });
};
