import { MAX_CONTENT_LENGTH } from '#lib/contracts/text';
import { TimeSlices } from '#lib/runtime/work/time-slices';
import { EmbedderPort } from '../embedder.port.js';

/** Rises with every change that moves a vector: the name is part of the collection's, so old and new vectors never meet. */
const MODEL = 'local-lexical-v1';
const DIMENSION = 384;

// What a feature weighs. A word counts by its exact and by its bare form (no diacritics), so that "ca phe" finds "cà phê" and the exact
// spelling still scores higher; its n-grams count as one group whatever its length, so that a typo costs a part of a word.
const EXACT_WORD = 1;
const BARE_WORD = 0.9;
const NGRAMS = 1.1;
/** Two words in a row: in Vietnamese a word of the dictionary is often two of these. */
const WORD_PAIR = 0.5;
const SYMBOL = 1;
/** Scripts without spaces: one, two and three characters in a row. */
const UNSPACED = [0.5, 1, 0.7] as const;

/** Short words are mostly grammar, in most languages with spaces. By length of the bare form; longer ones count in full. */
const BY_LENGTH = [0, 0.4, 0.7, 0.9] as const;
/** The most frequent function words of the two languages that Parley's people write most. Exact forms: "là" is grammar, "la" may be a name. */
const FUNCTION_WORDS =
  'the of and to in is it that for on was with as at by an be this are or from you your my we our i he she they have has had not but what ' +
  'do does did can will would there their them his her its me so if just ' +
  'là và của có cho thì mà những các được này đó một với không trong đã đang sẽ rồi nhé nhỉ ạ à ơi vậy thế cũng nên vì nếu khi để về ra vào ' +
  'lại còn đi thôi như tôi mình bạn anh em chị nó họ';
const FUNCTION_WORD_DAMPING = 0.4;

// Seeds keep the kinds of features apart: the word "abc" and the n-gram "abc" are not the same thing.
const SEED = {
  exact: 0x2545f491,
  bare: 0x9e3779b9,
  ngram: 0x85ebca6b,
  pair: 0xc2b2ae35,
  symbol: 0x27d4eb2f,
  unspaced: 0x165667b1,
} as const;

/**
 * Vectors without a model: signed feature hashing of words and of their character n-grams (3 to 5) into 384 dimensions
 * (Weinberger et al. 2009), term frequency 1 + ln(tf), unit length. Deterministic across processes and machines; nothing to download.
 *
 * It is **lexical, not semantic**: texts are near when they share words or parts of words, with or without diacritics, in any script.
 * "car" and "automobile" are strangers to it. Use another provider when meaning matters.
 *
 * One text costs tens of microseconds; only its first 16,384 characters are read.
 */
export class LocalEmbedder extends EmbedderPort {
  readonly model = MODEL;
  readonly dimension = DIMENSION;
  private readonly features = new FeatureTable();
  private readonly reader = new TextReader(this.features);

  async embed(texts: readonly string[]): Promise<Float32Array[]> {
    const vectors: Float32Array[] = [];
    const slices = new TimeSlices();
    for (const text of texts) {
      vectors.push(this.vectorOf(text));
      if (slices.isOver) await slices.next();
    }
    return vectors;
  }

  private vectorOf(text: string): Float32Array {
    const read = text.length > MAX_CONTENT_LENGTH ? text.slice(0, MAX_CONTENT_LENGTH) : text;
    this.features.clear(read.length);
    this.reader.read(read);
    const vector = new Float32Array(DIMENSION);
    this.features.projectInto(vector);
    return vector;
  }
}

/** The features of one text, counted and weighed. One table serves all texts: nothing is allocated per text once it is large enough. */
class FeatureTable {
  // Open addressing; a key of 0 is a free place.
  private keys = new Uint32Array(0);
  private weights = new Float32Array(0);
  private counts = new Uint32Array(0);
  private used = new Uint32Array(0);
  private usedCount = 0;
  private mask = 0;

  /** Empties the table and makes room for a text of `length` UTF-16 units, which gives at most 8 features per unit. */
  clear(length: number): void {
    for (let i = 0; i < this.usedCount; i += 1) this.keys[this.used[i] ?? 0] = 0;
    this.usedCount = 0;
    const size = 2 ** Math.ceil(Math.log2(length * 16 + 64));
    this.mask = size - 1;
    if (size <= this.keys.length) return;
    this.keys = new Uint32Array(size);
    this.weights = new Float32Array(size);
    this.counts = new Uint32Array(size);
    this.used = new Uint32Array(size);
  }

  add(hash: number, weight: number): void {
    const key = mix(hash) || 1;
    let place = key & this.mask;
    for (;;) {
      const found = this.keys[place];
      if (found === key) {
        this.counts[place] = (this.counts[place] ?? 0) + 1;
        // The same feature weighs what it weighs where it weighs most.
        if (weight > (this.weights[place] ?? 0)) this.weights[place] = weight;
        return;
      }
      if (found === 0) break;
      place = (place + 1) & this.mask;
    }
    this.keys[place] = key;
    this.counts[place] = 1;
    this.weights[place] = weight;
    this.used[this.usedCount] = place;
    this.usedCount += 1;
  }

  get isEmpty(): boolean {
    return this.usedCount === 0;
  }

  projectInto(vector: Float32Array): void {
    for (let i = 0; i < this.usedCount; i += 1) {
      const place = this.used[i] ?? 0;
      const key = this.keys[place] ?? 0;
      const count = this.counts[place] ?? 1;
      const value = (this.weights[place] ?? 0) * (count === 1 ? 1 : 1 + Math.log(count));
      // Several places per feature: two words that share one place still differ in the others.
      spread(vector, key, value);
      spread(vector, Math.imul(key, 0x9e3779b1) ^ 0x5bd1e995, value);
      spread(vector, Math.imul(key, 0x85ebca77) ^ 0x1b873593, value);
    }
    let squares = 0;
    for (const value of vector) squares += value * value;
    // No feature at all, or all of them cancelled out: a fixed direction is as good as any and as valid as all.
    if (squares < 1e-12) {
      vector[0] = 1;
      return;
    }
    const scale = 1 / Math.sqrt(squares);
    for (let i = 0; i < DIMENSION; i += 1) vector[i] = (vector[i] ?? 0) * scale;
  }
}

function spread(vector: Float32Array, hash: number, value: number): void {
  const mixed = mix(hash);
  const place = ((mixed >>> 16) * DIMENSION) >>> 16;
  vector[place] = (vector[place] ?? 0) + ((mixed & 1) === 0 ? value : -value);
}

/** The finalizer of MurmurHash3: every bit of the input moves every bit of the output. */
function mix(hash: number): number {
  let h = hash;
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  h ^= h >>> 16;
  return h >>> 0;
}

/** One step of FNV-1a over UTF-16 units. */
const step = (hash: number, unit: number): number => Math.imul(hash ^ unit, 0x01000193);

/** What a UTF-16 unit is to the reader. */
const KIND = { gap: 0, word: 1, unspaced: 2, mark: 3, ignored: 4, symbol: 5, surrogate: 6 } as const;
const PAGE = 256;

/** Kind and bare form of the units of the basic plane, worked out one page of 256 at a time when a text first needs it. */
class UnitTable {
  private readonly pages: (Uint32Array | undefined)[] = Array.from({ length: PAGE });

  /** Kind in the low 4 bits, bare unit above them. */
  of(unit: number): number {
    const page = this.pages[unit >>> 8] ?? this.makePage(unit >>> 8);
    return page[unit & 0xff] ?? 0;
  }

  private makePage(number: number): Uint32Array {
    const page = new Uint32Array(PAGE);
    for (let i = 0; i < PAGE; i += 1) {
      const unit = number * PAGE + i;
      page[i] = (bareForm(unit) << 4) | kindOf(unit);
    }
    this.pages[number] = page;
    return page;
  }
}

// Scripts that are written without spaces between words, as Unicode property names.
const UNSPACED_SCRIPT =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}]/u;
// Apostrophes, joiners, soft hyphen, variation selectors: part of a word or a symbol without being a letter of it.
const isIgnored = (unit: number): boolean =>
  unit === 0x27 ||
  unit === 0x2019 ||
  unit === 0x02bc ||
  unit === 0xad ||
  (unit >= 0x200b && unit <= 0x200d) ||
  unit === 0x2060 ||
  (unit >= 0xfe00 && unit <= 0xfe0f);
const LETTER = /[\p{L}\p{M}\p{N}_]/u;
const BASIC_SYMBOL = /[^\x00-\x7f]/;

function kindOf(unit: number): number {
  if (unit >= 0xd800 && unit <= 0xdfff) return KIND.surrogate;
  if (unit >= 0x0300 && unit <= 0x036f) return KIND.mark;
  const character = String.fromCharCode(unit);
  if (isIgnored(unit)) return KIND.ignored;
  if (UNSPACED_SCRIPT.test(character)) return KIND.unspaced;
  if (LETTER.test(character)) return KIND.word;
  return BASIC_SYMBOL.test(character) && /\p{S}/u.test(character) ? KIND.symbol : KIND.gap;
}

// Letters that no decomposition relates to their plain form, though people type them so.
const PLAIN: Readonly<Record<string, string>> = { đ: 'd', ð: 'd', ł: 'l', ø: 'o', ħ: 'h', ŧ: 't', ı: 'i', æ: 'a', œ: 'o', ς: 'σ' };

/** The letter without its diacritics. Marks outside U+0300-036F are vowels or consonants of their scripts and stay. */
function bareForm(unit: number): number {
  if (unit < 0x80 || (unit >= 0xd800 && unit <= 0xdfff)) return unit;
  const character = String.fromCharCode(unit);
  const plain = PLAIN[character];
  if (plain !== undefined) return plain.charCodeAt(0);
  const [base = '', ...marks] = character.normalize('NFD');
  return base.length === 1 && marks.every((mark) => mark >= '\u0300' && mark <= '\u036f') ? base.charCodeAt(0) : unit;
}

const units = new UnitTable();

/** Takes a text apart into features, in one pass and without making strings. */
class TextReader {
  private readonly exact = new Uint16Array(MAX_CONTENT_LENGTH * 3);
  // One place more on each side, for the marks of a word's beginning and end.
  private readonly bare = new Uint16Array(MAX_CONTENT_LENGTH * 3 + 2);
  private readonly run = new Uint16Array(MAX_CONTENT_LENGTH * 3);
  private exactLength = 0;
  private bareLength = 0;
  private runLength = 0;
  private previousWord = 0;
  private previousDamping = 0;
  private readonly functionWords = new Set(FUNCTION_WORDS.split(' ').map((word) => hashOf(word)));

  constructor(private readonly features: FeatureTable) {}

  read(text: string): void {
    this.exactLength = 0;
    this.bareLength = 0;
    this.runLength = 0;
    this.previousDamping = 0;
    const folded = foldCase(text);
    for (let i = 0; i < folded.length; i += 1) {
      const unit = folded.charCodeAt(i);
      const entry = units.of(unit);
      switch (entry & 0xf) {
        case KIND.word:
          if (this.runLength > 0) this.endRun();
          this.exact[this.exactLength++] = unit;
          this.bare[1 + this.bareLength++] = entry >>> 4;
          break;
        case KIND.mark:
          if (this.exactLength > 0) this.exact[this.exactLength++] = unit;
          break;
        case KIND.unspaced:
          if (this.exactLength > 0) this.endWord();
          this.run[this.runLength++] = unit;
          break;
        case KIND.ignored:
          break;
        case KIND.symbol:
          this.endToken();
          this.features.add(step(SEED.symbol, unit), SYMBOL);
          break;
        case KIND.surrogate: {
          this.endToken();
          const code = folded.codePointAt(i) ?? unit;
          if (code > 0xffff) i += 1;
          // Skin tones are to emoji what diacritics are to letters, and say less.
          if (code < 0x1f3fb || code > 0x1f3ff) this.features.add(step(step(SEED.symbol, code & 0xffff), code >>> 16), SYMBOL);
          break;
        }
        default:
          this.endToken();
      }
    }
    this.endToken();
    if (this.features.isEmpty) this.readPunctuation(folded);
  }

  private endToken(): void {
    if (this.exactLength > 0) this.endWord();
    if (this.runLength > 0) this.endRun();
  }

  private endWord(): void {
    const { exact, bare, features } = this;
    const length = this.bareLength;
    let exactHash = SEED.exact | 0;
    for (let i = 0; i < this.exactLength; i += 1) exactHash = step(exactHash, exact[i] ?? 0);
    let bareHash = SEED.bare | 0;
    for (let i = 1; i <= length; i += 1) bareHash = step(bareHash, bare[i] ?? 0);
    const damping = (BY_LENGTH[length] ?? 1) * (this.functionWords.has(exactHash) ? FUNCTION_WORD_DAMPING : 1);

    features.add(exactHash, EXACT_WORD * damping);
    features.add(bareHash, BARE_WORD * damping);
    if (this.previousDamping > 0) {
      features.add(step(step(SEED.pair, this.previousWord), bareHash), WORD_PAIR * Math.min(damping, this.previousDamping));
    }
    this.addNgrams(damping);

    this.previousWord = bareHash;
    this.previousDamping = damping;
    this.exactLength = 0;
    this.bareLength = 0;
  }

  /** 3, 4 and 5 units in a row of the bare word, its beginning and end included. */
  private addNgrams(damping: number): void {
    const { bare, features } = this;
    const length = this.bareLength + 2;
    bare[0] = 0x02;
    bare[length - 1] = 0x03;
    const count = Math.max(1, length - 2) + Math.max(0, length - 3) + Math.max(0, length - 4);
    const weight = (NGRAMS * damping) / Math.sqrt(count);
    for (let start = 0; start + 3 <= length; start += 1) {
      let hash = SEED.ngram | 0;
      const end = Math.min(start + 5, length);
      for (let i = start; i < end; i += 1) {
        hash = step(hash, bare[i] ?? 0);
        if (i >= start + 2) features.add(hash, weight);
      }
    }
  }

  private endRun(): void {
    const { run, features } = this;
    for (let start = 0; start < this.runLength; start += 1) {
      let hash = SEED.unspaced | 0;
      for (let i = 0; i < UNSPACED.length && start + i < this.runLength; i += 1) {
        hash = step(hash, run[start + i] ?? 0);
        features.add(hash, UNSPACED[i] ?? 0);
      }
    }
    this.runLength = 0;
    this.previousDamping = 0;
  }

  /** A text without a letter, digit or symbol is at least like itself. */
  private readPunctuation(text: string): void {
    for (let i = 0; i < text.length; i += 1) {
      const unit = text.charCodeAt(i);
      if (unit > 0x20) this.features.add(step(SEED.symbol, unit), SYMBOL);
    }
  }
}

function hashOf(word: string): number {
  let hash = SEED.exact | 0;
  for (let i = 0; i < word.length; i += 1) hash = step(hash, word.charCodeAt(i));
  return hash;
}

/** Composed, and in upper and lower case alike: by way of upper case, so that "ß" is "ss". */
const foldCase = (text: string): string =>
  /[^\x00-\x7f]/.test(text) ? text.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC') : text.toLowerCase();
