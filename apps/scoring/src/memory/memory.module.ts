import { Module } from '@nestjs/common';
import { Breakers } from '#lib/resilience/call/breakers';
import { CONFIG, type Config } from '#lib/runtime/config/config';
import { Lifecycle } from '#lib/runtime/process/lifecycle';
import { NoMemory } from './adapters/no-memory.js';
import { MemoryPort } from './memory.port.js';

/** MemoryPort with MEMORY_API_URL; without it one that remembers nothing. */
@Module({
  providers: [
    {
      provide: MemoryPort,
      inject: [CONFIG, Breakers, Lifecycle],
      useFactory: async (config: Config, breakers: Breakers, lifecycle: Lifecycle): Promise<MemoryPort> => {
        const { MEMORY_API_URL: baseUrl, MEMORY_API_KEY: apiKey } = config;
        if (baseUrl === undefined) return new NoMemory();
        const { HttpMemory } = await import('./adapters/http-memory.js');
        const memory = new HttpMemory({ baseUrl, apiKey }, breakers);
        lifecycle.add({ name: 'memory API', phase: 'stores', stop: () => memory.close() });
        return memory;
      },
    },
  ],
  exports: [MemoryPort],
})
export class MemoryModule {}
