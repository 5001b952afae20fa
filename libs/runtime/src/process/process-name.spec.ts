import { expect, it } from 'vitest';
import { processName } from './process-name.js';

it('the name of a process has its app, host and pid', () => {
  expect(processName('gateway')).toMatch(new RegExp(`^parley-gateway@.+#${process.pid}$`));
});
