import { OpenAiEmbedder } from './openai-embedder.js';
import { remoteModelContract } from './remote-model.contract.js';

remoteModelContract('OpenAiEmbedder', {
  Adapter: OpenAiEmbedder,
  path: '/embeddings',
  // Backwards: the order of `data` is not promised, its `index` is.
  answer: (vectors) => ({
    object: 'list',
    model: 'test-model',
    data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })).reverse(),
    usage: { prompt_tokens: 8, total_tokens: 8 },
  }),
});
