import { expect, it, vi } from 'vitest';
import type { Logger } from '#lib/runtime/log/logger';
import { LogPush } from './log-push.js';

it('a provider that is not configured says once that nothing is sent, and which setting is missing', async () => {
  const warn = vi.fn();
  const push = new LogPush('fcm', 'FCM_SERVICE_ACCOUNT', { warn } as unknown as Logger);
  for (let i = 0; i < 3; i += 1) expect(await push.send()).toEqual({ kind: 'logged' });
  expect(warn.mock.calls).toEqual([[{ provider: 'fcm' }, 'no push is sent to devices of fcm: FCM_SERVICE_ACCOUNT is not set']]);
});
