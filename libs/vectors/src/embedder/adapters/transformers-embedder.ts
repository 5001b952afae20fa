import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { z } from 'zod';
import { Breakers } from '#lib/resilience/call/breakers';
import { DependencyCall } from '#lib/resilience/call/dependency-call';
import { EMBED_CALL_TIMEOUT_MS, EmbedderPort, TextRejected } from '../embedder.port.js';
import { UnusableAnswer } from '#lib/resilience/adapters/http/json-request';
import { blaming, toUnitLength } from './remote-model.js';

/** The version that this adapter was tried with. 470 MB with its ONNX runtime for five platforms, so it is not installed by default. */
const PACKAGE = '@huggingface/transformers';
const INSTALL = `npm install --ignore-scripts ${PACKAGE}@4.3.1`;

/** A model in a local folder. */
export interface TransformersOptions {
  /** EMBEDDING_MODEL_DIR: a folder as the Hugging Face hub has it: `config.json`, `tokenizer.json`, `tokenizer_config.json`, `onnx/model.onnx`. */
  readonly folder: string;
  /** EMBEDDING_MODEL; the folder's name when not given. */
  readonly model?: string | undefined;
  /** Batches that run at once. */
  readonly concurrent?: number;
  /** The package or the path of its module. */
  readonly module?: string;
}

// What we use of the package, written down here because it is not there to take the types from.
interface Tensor {
  readonly data: ArrayLike<number>;
  readonly dims: readonly number[];
}
type Extractor = (texts: string[], options: { pooling: 'mean'; normalize: boolean }) => Promise<Tensor>;
interface Transformers {
  readonly env: { allowRemoteModels: boolean; allowLocalModels: boolean; localModelPath: string };
  pipeline(task: 'feature-extraction', model: string, options: { dtype: 'fp32'; local_files_only: true }): Promise<Extractor>;
}

/** A sentence embedding model that runs in this process (ONNX runtime, CPU): mean pooling over the tokens, unit length. Files are read locally only. */
export class TransformersEmbedder extends EmbedderPort {
  private readonly calls: DependencyCall;

  private constructor(
    readonly model: string,
    readonly dimension: number,
    private readonly extract: Extractor,
    concurrent: number,
    breakers: Breakers,
  ) {
    super();
    this.calls = new DependencyCall(
      {
        dependency: 'embedder',
        operation: 'embed',
        timeoutMs: EMBED_CALL_TIMEOUT_MS,
        resetMs: 60_000,
        bulkhead: { concurrent, queued: 1_000 },
        isItsFault: (error) => !(error instanceof TextRejected),
      },
      breakers,
    );
  }

  /** Reads the model, which takes seconds for a large one. @throws Error that says what is missing. */
  static async load(
    { folder, model, concurrent = 2, module = PACKAGE }: TransformersOptions,
    breakers: Breakers,
  ): Promise<TransformersEmbedder> {
    const path = resolve(folder);
    const isFolder = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isFolder) throw new Error(`EMBEDDING_MODEL_DIR: there is no folder ${path}`);
    const transformers = await importTransformers(module);
    transformers.env.allowRemoteModels = false;
    transformers.env.allowLocalModels = true;
    transformers.env.localModelPath = dirname(path);
    let extract: Extractor;
    try {
      extract = await transformers.pipeline('feature-extraction', basename(path), { dtype: 'fp32', local_files_only: true });
    } catch (error) {
      throw new Error(`EMBEDDING_MODEL_DIR: ${path} does not hold a model that can be read`, { cause: error });
    }
    const name = model ?? basename(path);
    const [sample] = await vectorsOf(extract, ['How long are you?'], name);
    return new TransformersEmbedder(name, sample?.length ?? 0, extract, concurrent, breakers);
  }

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    if (texts.length === 0) return [];
    // A run cannot be cancelled: after its limit the caller has its answer, and the run ends in vain.
    return this.calls.run(() => blaming(this.model, texts, (some) => vectorsOf(this.extract, some, this.model)));
  }
}

async function importTransformers(module: string): Promise<Transformers> {
  try {
    return (await import(module)) as Transformers;
  } catch (error) {
    throw new Error(`EMBEDDING_PROVIDER=transformers needs a package that is not installed by default. Run: ${INSTALL}`, { cause: error });
  }
}

const Shape = z.tuple([z.int().nonnegative(), z.int().positive()]);

async function vectorsOf(extract: Extractor, texts: readonly string[], model: string): Promise<Float32Array[]> {
  const tensor = await extract([...texts], { pooling: 'mean', normalize: true });
  const shape = Shape.safeParse(tensor.dims);
  if (!shape.success || shape.data[0] !== texts.length) {
    throw new UnusableAnswer(model, `a tensor of ${tensor.dims.join('x')} for ${texts.length} texts: is it a sentence embedding model?`);
  }
  const [, dimension] = shape.data;
  const flat = Float32Array.from(tensor.data);
  return texts.map((_, i) => toUnitLength(flat.slice(i * dimension, (i + 1) * dimension), model));
}
