import { expect, it } from 'vitest';
import { processName } from './process-name.js';

it('names a process by app, host and pid', () => {
  expect(processName('gateway')).toMatch(new RegExp(`^parley-gateway@.+#${process.pid}$`));
});
