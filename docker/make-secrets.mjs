// Prints a docker/.env with a random secret for each that compose.yaml asks for: `node docker/make-secrets.mjs > docker/.env`.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';

const compose = readFileSync(new URL('compose.yaml', import.meta.url), 'utf8');
const names = new Set([...compose.matchAll(/\$\{([A-Z_]+):\?/g)].map(([, name]) => name));
for (const name of [...names].sort()) console.log(`${name}=${randomBytes(36).toString('base64url')}`);
