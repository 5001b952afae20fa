import { describe, expect, it } from 'vitest';
import { portWishes } from './ports/port-plan.js';
import { MOST_REALTIME, possibleServices, processes, withRealtime } from './services.js';

describe('the processes that npm start runs', () => {
  it('have one realtime process without a word, and as many as are asked for', () => {
    expect(withRealtime(1)).toEqual(processes);
    const { services } = withRealtime(3);
    expect(services.filter(({ app }) => app === 'realtime').map(({ name }) => name)).toEqual(['realtime-1', 'realtime-2', 'realtime-3']);
    expect(services).toHaveLength(processes.services.length + 2);
  });

  it('have a port and a variable of their own, below those of the private servers', () => {
    const wishes = portWishes(possibleServices, {});
    expect(new Set(wishes.map(({ port }) => port)).size).toBe(wishes.length);
    expect(possibleServices.filter(({ portOffset }) => portOffset >= 30)).toEqual([]);
    expect(possibleServices.filter(({ app }) => app === 'realtime')).toHaveLength(MOST_REALTIME);
    expect(wishes).toContainEqual(expect.objectContaining({ name: 'realtime-2', port: 8085, variable: 'PARLEY_REALTIME_2_PORT' }));
  });
});
