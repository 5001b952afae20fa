import { appModuleContract } from '#lib/testing/app-module.contract';
import { startRealtime } from './start-realtime.js';
import { RealtimeModule } from './realtime.module.js';

const refusals = [
  { when: 'without anything to verify tokens with', env: { AUTH_JWT_SECRET: '' }, says: /AUTH_JWT_SECRET or AUTH_JWKS_URL/ },
];

appModuleContract({ service: 'realtime', start: startRealtime(RealtimeModule.live()), refusals });
appModuleContract({ service: 'realtime', adapters: 'memory', start: startRealtime(RealtimeModule.inMemory()) });
