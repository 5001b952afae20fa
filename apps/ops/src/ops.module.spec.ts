import { Test } from '@nestjs/testing';
import { expect, it } from 'vitest';
import { OutboxRelay } from '#lib/database/outbox/outbox-relay';
import { ProcessModule } from '#lib/runtime/process/process.module';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { appModuleContract, partsWithoutDependencies } from '#lib/testing/app-module.contract';
import { OpsModule } from './ops.module.js';
import { Upkeep } from './upkeep.js';

appModuleContract({ service: 'ops', start: startOperationsApp(OpsModule.live()) });

it('the ops process has a relay and its periodic tasks', async () => {
  const module = await Test.createTestingModule({
    imports: [ProcessModule.of(await partsWithoutDependencies('ops')), OpsModule.live()],
  }).compile();
  expect(module.get(OutboxRelay, { strict: false })).toBeInstanceOf(OutboxRelay);
  expect(module.get(Upkeep)).toBeInstanceOf(Upkeep);
});
