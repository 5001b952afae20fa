import { expect, it } from 'vitest';
import { freePorts } from './free-ports.js';

it('no port is given away twice, although nothing listens at it yet', async () => {
  const given = (await Promise.all(Array.from({ length: 10 }, () => freePorts(60)))).flat();
  expect(new Set(given).size).toBe(600);
});
