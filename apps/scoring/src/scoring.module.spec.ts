import { startOperationsApp } from '#lib/runtime/process/start-app';
import { appModuleContract } from '#lib/testing/app-module.contract';
import { ScoringModule } from './scoring.module.js';

appModuleContract({ service: 'scoring', start: startOperationsApp(ScoringModule) });
