import { errorCode } from '../log/error-code.js';
import { currentContext, runInContext, type WorkContext } from '../log/context.js';
import { childOfOwn, childTraceparent, isSampled, parseTraceparent } from '../log/traceparent.js';

/** What a span stands for: work inside a process, or one side of a call or of a message. */
export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer';

/** Names of the semantic conventions, and ours below `app.`. Ids, counts and names from closed sets; never what a person wrote. */
export type SpanValue = string | number | boolean | readonly string[];
export type SpanAttributes = Readonly<Record<string, SpanValue | undefined>>;

/** A span that has ended, and is to be exported. */
export interface EndedSpan {
  readonly name: string;
  readonly kind: SpanKind;
  /** W3C trace context of the span itself. */
  readonly traceparent: string;
  /** That of its parent, as it came; undefined for the first span of a trace. */
  readonly parent: string | undefined;
  /** Milliseconds of `performance.now()`. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly attributes: SpanAttributes;
  /** Trace contexts of spans that it has to do with and that are not its parent: the messages of a batch. */
  readonly links: readonly string[];
  /** One word for what went wrong; undefined when nothing did. */
  readonly failure: string | undefined;
}

/** Takes the spans that are exported. It must be quick and must not throw. */
export type SpanSink = (span: EndedSpan) => void;

/** A span that takes longer is exported also when its trace was not sampled, in milliseconds: the P95 at which an alert of P2 begins. */
export const SLOW_MS = 2_000;
/** Spans per second and process that are exported for being slow or failed alone: an outage in which everything fails must not cost more. */
export const UNSAMPLED_PER_SECOND = 200;
const MAX_LINKS = 128;
const MAX_ATTRIBUTES = 64;
/** Longest text of an attribute in characters, content excepted (content.ts bounds it). */
const MAX_TEXT = 256;

let sink: SpanSink | undefined;

/** From now on spans go to `to`; undefined = tracing is off. Once per process, before it takes work. */
export const exportSpansTo = (to: SpanSink | undefined): void => {
  sink = to;
};

/** Whether spans are made at all. */
export const isTracing = (): boolean => sink !== undefined;

/**
 * A span under way. It costs about a microsecond until it ends; then it is dropped, unless its trace was sampled, it failed, it was slow, or it
 * is to be kept in any case: errors are always seen, at the price of the others' objects.
 */
export class Span {
  /** Its own trace context: the parent of whatever it causes. */
  readonly traceparent: string;
  private readonly startedAt = performance.now();
  private readonly attributes: Record<string, SpanValue> = {};
  private attributeCount = 0;
  private links: string[] | undefined;
  private failure: string | undefined;
  private isKept = false;
  private isEnded = false;

  constructor(
    private readonly name: string,
    private readonly kind: SpanKind,
    private readonly parent: string | undefined,
    traceparent: string,
  ) {
    this.traceparent = traceparent;
  }

  /** Whether its trace was sampled at the edge. */
  get isSampled(): boolean {
    return isSampled(this.traceparent);
  }

  /** Undefined says nothing. Text beyond 256 characters is cut. */
  set(name: string, value: SpanValue | undefined): this {
    return this.put(name, typeof value === 'string' && value.length > MAX_TEXT ? value.slice(0, MAX_TEXT) : value);
  }

  setAll(attributes: SpanAttributes): this {
    for (const name in attributes) this.set(name, attributes[name]);
    return this;
  }

  /** Text of persons or of a model: only what content.ts let through. */
  setContent(name: string, shown: string | undefined): this {
    return this.put(name, shown);
  }

  /** Names a span that is not its parent. What has no valid trace context, or comes beyond 128, is left out. */
  link(traceparent: string | undefined): this {
    if (traceparent === undefined) return this;
    this.links ??= [];
    if (this.links.length < MAX_LINKS) this.links.push(traceparent);
    return this;
  }

  /** It failed. Of the error only its code is exported: messages may quote what a person wrote. */
  fail(error: unknown): this {
    this.failure = typeof error === 'string' ? error : errorCode(error);
    return this;
  }

  /** Exports it also when its trace was not sampled: what is rare and worth its price. */
  keep(): this {
    this.isKept = true;
    return this;
  }

  /** Ends it, once. */
  end(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    const { name, kind, traceparent, parent, startedAt, attributes, links = [], failure } = this;
    emit({ name, kind, traceparent, parent, startedAt, endedAt: performance.now(), attributes, links, failure }, this.isKept);
  }

  private put(name: string, value: SpanValue | undefined): this {
    if (value === undefined || this.attributeCount >= MAX_ATTRIBUTES) return this;
    this.attributeCount += 1;
    this.attributes[name] = value;
    return this;
  }
}

/**
 * Begins a span below the running unit of work; undefined, and next to free, while tracing is off and for work that belongs to no trace (sweeps,
 * probes). Set attributes through `?.`, whose arguments are not even made then:
 *
 *     const span = startSpan('embeddings', 'client');
 *     span?.set('gen_ai.request.model', model);
 */
export const startSpan = (name: string, kind: SpanKind, parent = currentContext().traceparent): Span | undefined =>
  sink === undefined || parent === undefined ? undefined : new Span(name, kind, parent, below(parent));

/** What comes from a queue or a table may be of another version, or of another program. */
const below = (parent: string): string => (parent.length === OWN_LENGTH ? childOfOwn(parent) : childTraceparent(parent));
const OWN_LENGTH = 55;

/**
 * Begins the first span of a new trace: for work that is done for several traces at once. It is sampled when one of those that it is linked to is;
 * what has one cause only is below that. Undefined while tracing is off or none of the causes has a trace.
 */
export const startSharedSpan = (name: string, kind: SpanKind, causes: readonly (string | undefined)[]): Span | undefined => {
  if (sink === undefined) return undefined;
  const known = causes.filter((cause) => cause !== undefined);
  const [first] = known;
  if (first === undefined) return undefined;
  if (known.length === 1) return new Span(name, kind, first, below(first));
  const span = new Span(name, kind, undefined, childTraceparent(undefined, known.some(isSampled)));
  // Sampled ones first: the others are not exported, and there is no room for all.
  for (const cause of known) if (isSampled(cause)) span.link(cause);
  for (const cause of known) if (!isSampled(cause)) span.link(cause);
  return span;
};

/** Ends a span whose beginning was only written down: the server's span of a request, a message of a batch. */
export const recordSpan = (
  facts: Omit<EndedSpan, 'endedAt' | 'links'> & { readonly links?: readonly string[]; readonly endedAt?: number },
): void => {
  if (sink !== undefined) emit({ links: [], endedAt: performance.now(), ...facts }, false);
};

/** Runs `work` in a span of its own; what it starts is below that. The span ends with it, failed when it rejects. */
export const inSpan = async <T>(name: string, kind: SpanKind, work: (span: Span | undefined) => Promise<T>): Promise<T> => {
  const span = startSpan(name, kind);
  if (span === undefined) return work(undefined);
  try {
    return await within(span, () => work(span));
  } catch (error) {
    span.fail(error);
    throw error;
  } finally {
    span.end();
  }
};

/** Runs `work` below a span, in the same unit of work: its log lines name this span. */
export const within = <T>(span: Span | undefined, work: () => T): T => {
  if (span === undefined) return work();
  const context: ContextOfSpan = { ...currentContext(), traceparent: span.traceparent };
  context[SPAN] = span;
  return runInContext(context, work);
};

// A symbol, so that no log line has it.
const SPAN = Symbol('span');
type ContextOfSpan = WorkContext & { [SPAN]?: Span };

/** The span that the running work is directly in, for what only an adapter knows of it; undefined while tracing is off. */
export const currentSpan = (): Span | undefined => (currentContext() as ContextOfSpan)[SPAN];

let secondBeganAt = 0;
let unsampledInSecond = 0;

const emit = (span: EndedSpan, isKept: boolean): void => {
  if (sink === undefined) return;
  if (isSampled(span.traceparent) || isKept) return sink(span);
  if (span.failure === undefined && span.endedAt - span.startedAt < SLOW_MS) return;
  if (span.endedAt - secondBeganAt >= 1_000) {
    secondBeganAt = span.endedAt;
    unsampledInSecond = 0;
  }
  unsampledInSecond += 1;
  if (unsampledInSecond <= UNSAMPLED_PER_SECOND) sink(span);
};

/** The parts of a span's trace contexts, for an exporter. */
export const contextsOf = (span: EndedSpan) => ({ own: parseTraceparent(span.traceparent), parent: parseTraceparent(span.parent) });
