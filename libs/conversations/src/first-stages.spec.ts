import { describe, expect, it } from 'vitest';
import { stagesWith } from './first-stages.js';

describe('the first stages of a message', () => {
  it('are pending at the acknowledgement where an app consumes the stage, and skipped where none does', () => {
    const rows = [
      { app: 'embedding', hears: ['message.created'] },
      { app: 'delivery', hears: ['message.embedded'] },
    ] as const;
    expect(stagesWith(rows)).toEqual({ delivery: 'skipped', embedding: 'pending', scoring: 'skipped' });
  });
});
