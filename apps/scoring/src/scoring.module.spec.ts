import { startOperationsApp } from '#lib/runtime/process/start-app';
import { appModuleContract } from '#lib/testing/app-module.contract';
import { ScoringModule } from './scoring.module.js';

appModuleContract({
  service: 'scoring',
  start: startOperationsApp(ScoringModule.live()),
  refusals: [
    {
      when: 'with a language model and without its address and its name',
      env: { LLM_PROVIDER: 'openai' },
      says: /LLM_BASE_URL: required by LLM_PROVIDER=openai[\s\S]*LLM_MODEL: required/,
    },
  ],
});
