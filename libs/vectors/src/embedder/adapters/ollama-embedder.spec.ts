import { OllamaEmbedder } from './ollama-embedder.js';
import { remoteModelContract } from './remote-model.contract.js';

remoteModelContract('OllamaEmbedder', {
  Adapter: OllamaEmbedder,
  path: '/api/embed',
  answer: (embeddings) => ({ model: 'test-model', embeddings, total_duration: 14_143_917, load_duration: 1_019_500, prompt_eval_count: 8 }),
});
