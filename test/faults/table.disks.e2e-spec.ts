import { FaultyWorld } from '#lib/testing/faulty-world';
import { cannotMount, SmallDisks } from './small-disks.js';
import { tableOf } from './table.js';

async function start() {
  const disks = await SmallDisks.start();
  const world = await FaultyWorld.start({ stack: disks.stack }).catch(async (error: unknown) => {
    await disks.stop();
    throw error;
  });
  const stop = async () => {
    await world.stop();
    await disks.stop();
  };
  return { world, disks, stop };
}

tableOf(['full disks'], { start, cannot: cannotMount() });
