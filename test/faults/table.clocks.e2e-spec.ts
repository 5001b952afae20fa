import { FaultyWorld } from '#lib/testing/faulty-world';
import { findFaketime, MovedClocks } from './moved-clocks.js';
import { tableOf } from './table.js';

const isLong = process.env['PARLEY_LONG_TESTS'] === '1';
const faketime = isLong ? await findFaketime() : { missing: 'with PARLEY_LONG_TESTS=1' };

async function start() {
  const clocks = await MovedClocks.start('path' in faketime ? faketime.path : '');
  const world = await FaultyWorld.start({ env: clocks.environment });
  const stop = async () => {
    await world.stop();
    await clocks.stop();
  };
  return { world, clocks, stop };
}

tableOf(['clocks'], { start, cannot: 'missing' in faketime ? faketime.missing : undefined });
