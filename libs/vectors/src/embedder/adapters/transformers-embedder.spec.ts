import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBreakers } from '#lib/resilience/adapters/opossum-breaker';
import { cosine, embedderContract } from '../embedder.contract.js';
import { TransformersEmbedder } from './transformers-embedder.js';

// The package is 470 MB and not installed by default. To run the skipped tests: install it, or point this at its `dist/transformers.node.mjs`.
const module = process.env['PARLEY_TRANSFORMERS_MODULE'] ?? '@huggingface/transformers';
const isInstalled = await import(/* @vite-ignore */ module).then(
  () => true,
  () => false,
);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parley-model-'));
  await writeTinyModel(join(folder, 'tiny-model'));
});
afterAll(async () => rm(folder, { recursive: true, force: true }));

const load = (path: string, options: { module?: string; model?: string } = {}) =>
  TransformersEmbedder.load({ folder: path, module, ...options }, createBreakers());

describe('an embedding model in a folder', () => {
  it('says which command installs the package when it is missing', async () => {
    await expect(load(join(folder, 'tiny-model'), { module: 'a-package-that-is-not-installed' })).rejects.toThrow(
      'Run: npm install --ignore-scripts @huggingface/transformers@4.3.1',
    );
  });

  it('says which folder is missing', async () => {
    await expect(load(join(folder, 'nowhere'))).rejects.toThrow(`EMBEDDING_MODEL_DIR: there is no folder ${join(folder, 'nowhere')}`);
  });
});

describe.skipIf(!isInstalled)('an embedding model in a folder, with the package installed', () => {
  // skipped where the package is missing, see above
  embedderContract('TransformersEmbedder', async () => ({ embedder: await load(join(folder, 'tiny-model')) }));

  it('is named after its folder unless it is given a name, and knows the length of its vectors', async () => {
    expect(await load(join(folder, 'tiny-model'))).toMatchObject({ model: 'tiny-model', dimension: DIMENSION });
    expect(await load(join(folder, 'tiny-model'), { model: 'my-model' })).toMatchObject({ model: 'my-model' });
  });

  it('takes the mean over the tokens of each text alone, whatever its neighbours in the batch are padded to', async () => {
    const embedder = await load(join(folder, 'tiny-model'));
    const [short] = await embedder.embed(['ab', 'a much longer text that makes the first one be padded']);
    // [CLS] a b [SEP], from the table that the model was made with.
    const ids = [2, 3, 4 + 'a'.charCodeAt(0) - FIRST, 4 + 'b'.charCodeAt(0) - FIRST];
    const mean = Array.from({ length: DIMENSION }, (_, i) => ids.reduce((sum, id) => sum + weight(id, i), 0) / ids.length);
    const length = Math.hypot(...mean);
    expect(
      cosine(
        short,
        Float32Array.from(mean, (value) => value / length),
      ),
    ).toBeCloseTo(1, 5);
  });

  it('says which folder holds no model', async () => {
    await mkdir(join(folder, 'empty'), { recursive: true });
    await expect(load(join(folder, 'empty'))).rejects.toThrow(`${join(folder, 'empty')} does not hold a model that can be read`);
  });
});

const DIMENSION = 16;
const FIRST = 0x20;
const LAST = 0x7e;
const VOCABULARY_SIZE = 4 + LAST - FIRST + 1;

/** The model's table of token embeddings: any numbers will do, as long as they differ. */
const weight = (token: number, i: number): number => Math.fround(Math.sin(1 + token * 12.9898 + i * 78.233));

/** Writes a folder as the hub has them: a tokenizer of one token per ASCII character, and a model that looks each one up in a table. */
async function writeTinyModel(path: string): Promise<void> {
  const special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]'];
  const characters = Array.from({ length: LAST - FIRST + 1 }, (_, i) => String.fromCharCode(FIRST + i));
  const ids = Object.fromEntries([...special, ...characters].map((token, id) => [token, id]));
  const tokenizer = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'Split', pattern: { Regex: '.' }, behavior: 'Isolated', invert: false },
    post_processor: {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: '[CLS]', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } },
      ],
      pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
      },
    },
    decoder: null,
    model: { type: 'WordLevel', vocab: ids, unk_token: '[UNK]' },
  };
  await mkdir(join(path, 'onnx'), { recursive: true });
  await writeFile(join(path, 'config.json'), JSON.stringify({ model_type: 'bert', hidden_size: DIMENSION, vocab_size: VOCABULARY_SIZE }));
  await writeFile(join(path, 'tokenizer.json'), JSON.stringify(tokenizer));
  await writeFile(
    join(path, 'tokenizer_config.json'),
    JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', model_max_length: 512, pad_token: '[PAD]', unk_token: '[UNK]' }),
  );
  await writeFile(join(path, 'onnx', 'model.onnx'), tinyOnnx());
}

/** `last_hidden_state = Gather(table, input_ids)` in ONNX's protobuf, field by field (onnx.proto3, IR version 8, opset 13). */
function tinyOnnx(): Buffer {
  const FLOAT = 1;
  const INT64 = 7;
  const table = new Float32Array(VOCABULARY_SIZE * DIMENSION);
  for (let i = 0; i < table.length; i += 1) table[i] = weight(Math.floor(i / DIMENSION), i % DIMENSION);
  const tensor = bytes([1, VOCABULARY_SIZE], [1, DIMENSION], [2, FLOAT], [8, 'table'], [9, Buffer.from(table.buffer)]);
  const value = (name: string, type: number, shape: (string | number)[]) =>
    bytes(
      [1, name],
      [
        2,
        bytes([1, bytes([1, type], [2, bytes(...shape.map((dim): Field => [1, bytes(typeof dim === 'number' ? [1, dim] : [2, dim])]))])]),
      ],
    );
  const gather = bytes([1, 'table'], [1, 'input_ids'], [2, 'last_hidden_state'], [3, 'look-up'], [4, 'Gather']);
  const graph = bytes(
    [1, gather],
    [2, 'tiny'],
    [5, tensor],
    [11, value('input_ids', INT64, ['batch', 'tokens'])],
    [11, value('attention_mask', INT64, ['batch', 'tokens'])],
    [12, value('last_hidden_state', FLOAT, ['batch', 'tokens', DIMENSION])],
  );
  return bytes([1, 8], [2, 'parley'], [7, graph], [8, bytes([1, ''], [2, 13])]);
}

type Field = readonly [number: number, value: number | string | Buffer];

/** A protobuf message of these fields: numbers as varints, the rest with its length in front. */
function bytes(...fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([number, value]) => {
      if (typeof value === 'number') return [varint(number << 3), varint(value)];
      const content = Buffer.from(value);
      return [varint((number << 3) | 2), varint(content.length), content];
    }),
  );
}

function varint(value: number): Buffer {
  const parts: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...parts, rest]);
    parts.push((rest & 0x7f) | 0x80);
  }
}
