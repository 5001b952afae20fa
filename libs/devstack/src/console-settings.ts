import { SOCKET_PATH } from '#lib/contracts/socket';

/** What lets the console of a gateway on this machine use its WebSocket: where that is, and that pages of the gateway may connect. */
export function consoleSettings(env: NodeJS.ProcessEnv, gatewayPort: number, realtimePort: number): Record<string, string> {
  const origins = ['localhost', '127.0.0.1'].map((host) => `http://${host}:${gatewayPort}`);
  return {
    CONSOLE_REALTIME_URL: env['CONSOLE_REALTIME_URL'] || `ws://localhost:${realtimePort}${SOCKET_PATH}`,
    CORS_ORIGINS: env['CORS_ORIGINS'] || origins.join(','),
  };
}
