import { Crowd } from './crowd.js';
import type { CrowdAnswer, CrowdOrder } from './orders.js';

// The load generator's own process: does what the benchmark orders over IPC, one order after the other.
let crowd: Crowd | undefined;

const obey = (order: CrowdOrder): CrowdAnswer['result'] => {
  if (order.do === 'open') {
    crowd = new Crowd(order.spec);
    crowd.open();
    return undefined;
  }
  if (crowd === undefined) throw new Error('there is no crowd');
  switch (order.do) {
    case 'state':
      return { ready: crowd.readyCount, cpuMicros: cpuMicros() };
    case 'logs':
      return crowd.logs;
    case 'hold back':
      crowd.holdBack();
      return undefined;
    case 'let go':
      crowd.letGo(order.head);
      return undefined;
    case 'comeback':
      return crowd.comeback();
    case 'counts':
      return crowd.counts(order.heads);
    case 'close':
      crowd.close();
      return undefined;
    default:
      return order satisfies never;
  }
};

const cpuMicros = (): number => {
  const { user, system } = process.cpuUsage();
  return user + system;
};

process.on('message', ({ id, order }: { id: number; order: CrowdOrder }) => {
  try {
    process.send?.({ id, result: obey(order) } satisfies CrowdAnswer);
  } catch (error) {
    process.send?.({ id, result: undefined, error: (error as Error).message } satisfies CrowdAnswer);
  }
});
process.on('disconnect', () => process.exit());
