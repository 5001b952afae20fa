import { expect, it } from 'vitest';
import { WatchdogBoard } from './watchdog-board.js';

it('the shared memory of the watchdog shows the other side what was written last', () => {
  const ours = new WatchdogBoard();
  const theirs = new WatchdogBoard(ours.memory);

  expect([theirs.beats, theirs.read()]).toEqual([0, '']);
  ours.beat();
  ours.write('{"first":"một"}');
  ours.write('{"second":"hai"}');

  expect([theirs.beats, theirs.read()]).toEqual([1, '{"second":"hai"}']);
});

it('the shared memory of the watchdog keeps the last snapshot that fitted', () => {
  const board = new WatchdogBoard();
  board.write('"fits"');

  board.write('x'.repeat(70_000));

  expect(board.read()).toBe('"fits"');
});
