import 'reflect-metadata';
import { drainTimes } from '#lib/runtime/process/drain-times';
import { runProcess } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { DeliveryModule } from './delivery.module.js';

await runProcess({
  service: 'delivery',
  drainMs: drainTimes.delivery,
  start: startOperationsApp(DeliveryModule.live()),
});
