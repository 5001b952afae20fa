import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { completeDocument } from './openapi-document.js';

/** Version of the HTTP API and of the events, not of the software. */
export const API_VERSION = '1.0.0';

const TOKEN_HELP =
  'A JWT with `sub` (the user id), `aud: parley` and `exp`. For a Parley on this machine ' +
  '`npm run --silent parley -- token --user alice` prints one, `--admin` one that opens `/v1/admin`.';

const describe = (app: NestFastifyApplication): OpenAPIObject => {
  const config = new DocumentBuilder()
    .setTitle('Parley')
    .setDescription(
      'A conversation backend: a message is committed, acknowledged with 202, and searchable a moment later.\n\n' +
        'Every error is a problem document (RFC 9457) whose `code` programs read. Beside those of each operation there are three that come before any route: ' +
        '404 and 405 of what is no route, and 408 and 431 of requests that do not arrive or whose headers are too large.',
    )
    .setVersion(API_VERSION)
    .setOpenAPIVersion('3.1.0')
    .addServer('/', 'The gateway that this document comes from')
    .addServer('{gateway}', 'Any gateway', {
      gateway: {
        default: 'http://localhost:8080',
        description: 'Scheme, host and port; `npm start` shows those of a Parley on this machine',
      },
    })
    .addTag('conversations', 'Who talks with whom')
    .addTag('messages', 'What was said')
    .addTag('documents', 'Texts that are found beside what was said')
    .addTag('presence', 'Who is online')
    .addTag('search', 'What was said, found again')
    .addTag('context', 'What an LLM agent should read')
    .addTag('activities', 'What a user may do next')
    .addTag('friendship', 'How well a user is known')
    .addTag('jobs', 'Work that goes on after its answer')
    .addTag('devices', 'Where pushes go while a user is offline')
    .addTag('admin', 'For operators: needs a token with the scope `admin`')
    .addTag('operations', 'For orchestrators and monitoring: no token')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description: TOKEN_HELP }, 'token')
    .addSecurityRequirements('token')
    .build();
  return completeDocument(SwaggerModule.createDocument(app, config));
};

/** Serves `GET /openapi.json` and Swagger UI under `GET /docs`; the page brings all its files, so it works without the internet. */
export const serveOpenApi = (app: NestFastifyApplication): void => {
  // Built at the first request: it takes a tenth of a second that no other request should wait for.
  SwaggerModule.setup('docs', app, () => describe(app), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: 'Parley API',
    swaggerOptions: { persistAuthorization: true, tryItOutEnabled: true, displayRequestDuration: true },
  });
};
