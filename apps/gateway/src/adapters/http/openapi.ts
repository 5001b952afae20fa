import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { Problem } from '#lib/contracts/problems';

/** Version of the HTTP API and of the events, not of the software. */
export const API_VERSION = '1.0.0';

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
  SwaggerModule.setup('docs', app, () => SwaggerModule.createDocument(app, config), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'Parley API',
  });
};
