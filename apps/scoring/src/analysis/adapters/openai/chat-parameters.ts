import { HttpFailure } from '#lib/resilience/adapters/http/json-request';

/** The shape that an answer must have, as JSON schema. */
export interface ResponseSchema {
  readonly name: string;
  readonly schema: Readonly<Record<string, unknown>>;
}

/** One question. */
export interface ChatQuestion {
  readonly system: string;
  readonly user: string;
  readonly schema: ResponseSchema;
}

const TEMPERATURE = 0.02;
const TOP_P = 1;
/** With reasoning, which counts as tokens of the answer; the answer itself has some 30. */
const MAX_COMPLETION_TOKENS = 1_024;

/** What an endpoint may not know, in the order in which it is given up when its refusal does not say which it is. */
const optional = ['reasoning', 'schema', 'completionTokens', 'json'] as const;
type Optional = (typeof optional)[number];

/** How the refusal of an endpoint names each of them. */
const NAMED: Readonly<Record<Optional, RegExp>> = {
  reasoning: /reasoning/i,
  schema: /json_schema|response_format|structured output/i,
  completionTokens: /max_completion_tokens/i,
  json: /json_object|response_format/i,
};

/**
 * The parameters of R083, and what this endpoint understands of them: servers that speak like OpenAI differ. What it refuses with a 400 is left
 * out, at once and for as long as the process runs.
 */
export class ChatParameters {
  private readonly givenUp = new Set<Optional>();
  /** Whether a request with what is sent now was ever taken: then a 400 is about something else. */
  private isProven = false;

  constructor(private readonly model: string) {}

  /** What spans say of them. */
  get told() {
    return {
      'gen_ai.request.model': this.model,
      'gen_ai.request.temperature': TEMPERATURE,
      'gen_ai.request.top_p': TOP_P,
      'gen_ai.request.max_tokens': MAX_COMPLETION_TOKENS,
    };
  }

  /** Sends with `post`, and again without what the endpoint refuses. @throws what `post` throws when that is not about parameters. */
  async negotiate<T>(question: ChatQuestion, post: (body: unknown) => Promise<T>): Promise<T> {
    for (;;) {
      const sent = new Set(this.givenUp);
      try {
        const answer = await post(this.bodyOf(question));
        this.isProven = true;
        return answer;
      } catch (error) {
        // Another request may have learnt it meanwhile: then it is simply sent again.
        if (!(error instanceof HttpFailure && error.status === 400) || !(this.giveUp(error.body) || sent.size < this.givenUp.size))
          throw error;
      }
    }
  }

  /** @returns whether there was something to give up. */
  private giveUp(refusal: string): boolean {
    const left = optional.filter((each) => !this.givenUp.has(each) && (each !== 'json' || this.givenUp.has('schema')));
    // A model whose answer missed the schema is not an endpoint without schemas.
    const named = /failed to generate|json_validate_failed/i.test(refusal) ? undefined : left.find((each) => NAMED[each].test(refusal));
    const next = named ?? (this.isProven ? undefined : left[0]);
    if (next === undefined) return false;
    this.givenUp.add(next);
    return true;
  }

  private bodyOf({ system, user, schema }: ChatQuestion): Readonly<Record<string, unknown>> {
    const has = (each: Optional) => !this.givenUp.has(each);
    return {
      model: this.model,
      messages: [
        { role: 'system', content: system },
        { role: 'user', content: user },
      ],
      temperature: TEMPERATURE,
      top_p: TOP_P,
      stream: false,
      [has('completionTokens') ? 'max_completion_tokens' : 'max_tokens']: MAX_COMPLETION_TOKENS,
      ...(has('reasoning') ? { reasoning_effort: 'low' } : {}),
      ...(has('schema') ? { response_format: { type: 'json_schema', json_schema: { ...schema, strict: true } } } : {}),
      ...(!has('schema') && has('json') ? { response_format: { type: 'json_object' } } : {}),
    };
  }
}
