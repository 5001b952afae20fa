import { Breakers } from '#lib/resilience/call/breakers';
import { type Config, ConfigError } from '#lib/runtime/config/config';
import { BatchedEmbedder } from '../batched-embedder.js';
import { EmbedderPort } from '../embedder.port.js';
import { LocalEmbedder } from './local-embedder.js';
import { OLLAMA_URL, OllamaEmbedder } from './ollama-embedder.js';
import { OPENAI_URL, OpenAiEmbedder } from './openai-embedder.js';
import { CachedEmbedder } from './cached-embedder.js';
import { askDimension, type RemoteModelOptions } from './remote-model.js';
import { TransformersEmbedder } from './transformers-embedder.js';

type EmbedderSettings = Pick<
  Config,
  | 'EMBEDDING_PROVIDER'
  | 'EMBEDDING_MODEL'
  | 'EMBEDDING_DIMENSION'
  | 'EMBEDDING_BASE_URL'
  | 'EMBEDDING_API_KEY'
  | 'EMBEDDING_MODEL_DIR'
  | 'EMBEDDING_CACHE_SIZE'
  | 'ML_EMBED_WORKERS'
>;

/** Texts per call of a model: what common servers take well; R101's 100 is the ceiling of a batch of messages, not of a model. */
const BATCH_SIZE = 32;

/** Lengths of the vectors of well-known models, so that a process that knows its model starts while the model is away. */
const KNOWN_DIMENSIONS: Readonly<Record<string, number>> = {
  'text-embedding-3-small': 1_536,
  'text-embedding-3-large': 3_072,
  'text-embedding-ada-002': 1_536,
  'nomic-embed-text': 768,
  'mxbai-embed-large': 1_024,
  'all-minilm': 384,
  'bge-m3': 1_024,
  'snowflake-arctic-embed': 1_024,
};

/**
 * The embedder that the configuration asks for, with sub-batches and a memory for texts seen before.
 * `local` and a model whose dimension is given or known need nothing at start; another remote model is asked for its dimension.
 * @throws ConfigError when a setting is missing; Error when the model had to be asked or read and that failed.
 */
export async function createEmbedder(config: EmbedderSettings, breakers: Breakers): Promise<EmbedderPort> {
  const { EMBEDDING_PROVIDER: provider, EMBEDDING_CACHE_SIZE: cacheSize, ML_EMBED_WORKERS: concurrent } = config;
  const model = await modelFor(config, breakers);
  return new CachedEmbedder(new BatchedEmbedder(model, { provider, batchSize: BATCH_SIZE, concurrent }), cacheSize);
}

async function modelFor(config: EmbedderSettings, breakers: Breakers): Promise<EmbedderPort> {
  switch (config.EMBEDDING_PROVIDER) {
    case 'local':
      return new LocalEmbedder();
    case 'ollama':
      return remoteModel(OllamaEmbedder, config, OLLAMA_URL, breakers);
    case 'openai':
      return remoteModel(OpenAiEmbedder, config, OPENAI_URL, breakers);
    case 'transformers':
      return localModel(config, breakers);
    default:
      return config.EMBEDDING_PROVIDER satisfies never;
  }
}

async function remoteModel(
  Adapter: typeof OllamaEmbedder | typeof OpenAiEmbedder,
  config: EmbedderSettings,
  defaultUrl: string,
  breakers: Breakers,
): Promise<EmbedderPort> {
  const {
    EMBEDDING_MODEL: model,
    EMBEDDING_BASE_URL: baseUrl = defaultUrl,
    EMBEDDING_API_KEY: apiKey,
    ML_EMBED_WORKERS: concurrent,
  } = config;
  if (model === undefined) throw new ConfigError([`EMBEDDING_MODEL: required by EMBEDDING_PROVIDER=${config.EMBEDDING_PROVIDER}`]);
  const options: Omit<RemoteModelOptions, 'dimension'> = { baseUrl, model, apiKey, concurrent };
  const dimension = config.EMBEDDING_DIMENSION ?? KNOWN_DIMENSIONS[model.replace(/:latest$/, '')];
  return new Adapter({ ...options, dimension: dimension ?? (await asked(Adapter, options, breakers)) }, breakers);
}

async function asked(
  Adapter: typeof OllamaEmbedder | typeof OpenAiEmbedder,
  options: Omit<RemoteModelOptions, 'dimension'>,
  breakers: Breakers,
): Promise<number> {
  try {
    return await askDimension(Adapter, options, breakers);
  } catch (error) {
    throw new Error(`EMBEDDING_DIMENSION is not set, and ${options.model} could not be asked how long its vectors are`, { cause: error });
  }
}

async function localModel(config: EmbedderSettings, breakers: Breakers): Promise<EmbedderPort> {
  const { EMBEDDING_MODEL_DIR: folder, EMBEDDING_MODEL: model, EMBEDDING_DIMENSION: expected, ML_EMBED_WORKERS: concurrent } = config;
  if (folder === undefined) throw new ConfigError(['EMBEDDING_MODEL_DIR: required by EMBEDDING_PROVIDER=transformers']);
  const embedder = await TransformersEmbedder.load({ folder, model, concurrent }, breakers);
  if (expected !== undefined && expected !== embedder.dimension) {
    throw new ConfigError([`EMBEDDING_DIMENSION: is ${expected}, but the model in ${folder} gives ${embedder.dimension}`]);
  }
  return embedder;
}
