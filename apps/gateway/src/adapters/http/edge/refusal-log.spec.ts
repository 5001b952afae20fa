import { expect, it } from 'vitest';
import { RefusalLog } from './refusal-log.js';

it('the log of refusals warns of the first refusal of a kind, then once per second with how many there were in between', () => {
  const log = new RefusalLog();
  const search = (at: number) => log.warn('GET /v1/search overloaded', at);

  expect(search(0)).toEqual({ alsoRefused: 0 });
  expect([search(1), search(500), search(999)]).toEqual([undefined, undefined, undefined]);
  expect(log.warn('POST /v1/conversations dependency-unavailable', 500)).toEqual({ alsoRefused: 0 });
  expect(search(1_000)).toEqual({ alsoRefused: 3 });
  expect(search(5_000)).toEqual({ alsoRefused: 0 });
});
