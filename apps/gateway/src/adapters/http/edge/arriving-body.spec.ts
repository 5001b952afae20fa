import { expect, it } from 'vitest';
import { ArrivingBody } from './arriving-body.js';

it('an arriving body is what arrived, in pieces of any size', () => {
  const body = new ArrivingBody(1_000_000);
  for (const piece of ['a', 'bc', 'd'.repeat(1_000), '', 'e']) body.add(Buffer.from(piece));

  expect(body.bytes.toString()).toBe(`abc${'d'.repeat(1_000)}e`);
});

it('an arriving body holds no more than twice what arrived', () => {
  const body = new ArrivingBody(1_000_000);
  let held = 0;
  for (let arrived = 1; arrived <= 10_000; arrived += 1) {
    held += body.growthFor(1);
    body.add(Buffer.from('x'));
    expect(held).toBeLessThanOrEqual(2 * arrived);
  }
});

it('an arriving body never holds more than it may have', () => {
  const body = new ArrivingBody(1_000);
  let held = 0;
  for (const piece of [600, 300, 100]) {
    held += body.growthFor(piece);
    body.add(Buffer.alloc(piece));
  }
  expect(held).toBe(1_000);
  expect(body.bytes).toHaveLength(1_000);
});
