import 'reflect-metadata';
import { drainTimes } from '#lib/runtime/process/drain-times';
import { runProcess } from '#lib/runtime/process/run-process';
import { startOperationsApp } from '#lib/runtime/process/start-app';
import { ScoringModule } from './scoring.module.js';

await runProcess({
  service: 'scoring',
  isBackground: true,
  drainMs: drainTimes.scoring,
  start: startOperationsApp(ScoringModule.live()),
});
