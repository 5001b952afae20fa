import {
  type ScriptedAnswer,
  type ScriptedFault,
  scriptedFaults,
  ScriptedHttpServer,
  type ScriptedRequest,
} from './scripted-http-server.js';

/** One request for a chat completion, as the model was asked. */
export interface ChatRequest {
  readonly body: Readonly<Record<string, unknown>> & { readonly messages: readonly { readonly role: string; readonly content: string }[] };
  readonly authorization: string | undefined;
  /** Milliseconds of `performance.now()`. */
  readonly at: number;
}

/** What {@link ScriptedLlm} answers with when it works. */
export const GOOD_ANSWER = { userQuestions: 2, topics: ['music'], emotion: 'happy' } as const;

/** A language model behind an OpenAI-compatible endpoint on this machine. It answers well until it is told to do something else. */
export class ScriptedLlm {
  /** Every request for a completion, oldest first. */
  readonly asked: ChatRequest[] = [];
  /** What is answered in place of a good answer. */
  answer: (request: ChatRequest) => ScriptedAnswer | ScriptedFault | undefined = () => undefined;
  /** Answers that are not finished. */
  inFlight = 0;

  private constructor(private readonly server: ScriptedHttpServer) {}

  static async start(): Promise<ScriptedLlm> {
    let play: (request: ScriptedRequest) => ScriptedAnswer | ScriptedFault = () => ({ status: 503 });
    const llm = new ScriptedLlm(await ScriptedHttpServer.start((request) => play(request)));
    play = (request) => llm.play(request);
    return llm;
  }

  /** LLM_BASE_URL. */
  get url(): string {
    return `${this.server.url}/v1`;
  }

  /** What a Parley needs to use it. */
  get settings(): Record<string, string> {
    return { LLM_PROVIDER: 'openai', LLM_BASE_URL: this.url, LLM_MODEL: 'scripted', LLM_API_KEY: 'sk-scripted-secret' };
  }

  stop(): Promise<void> {
    return this.server.stop();
  }

  private play({ method, path, headers, body }: ScriptedRequest): ScriptedAnswer | ScriptedFault {
    if (method !== 'POST' || path !== '/v1/chat/completions') return { status: 404 };
    const request: ChatRequest = { body: body as ChatRequest['body'], authorization: headers.authorization, at: performance.now() };
    this.asked.push(request);
    return this.counted(this.answer(request) ?? completion(GOOD_ANSWER));
  }

  private counted(answer: ScriptedAnswer | ScriptedFault): ScriptedFault {
    return (response) => {
      this.inFlight += 1;
      response.once('close', () => (this.inFlight -= 1));
      if (typeof answer === 'function') return answer(response);
      response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers }).end(JSON.stringify(answer.body ?? {}));
    };
  }
}

/** A completion whose text is `content`, as JSON when it is no text. */
export const completion = (content: unknown): ScriptedAnswer => ({
  status: 200,
  body: {
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        finish_reason: 'stop',
        message: { role: 'assistant', content: typeof content === 'string' ? content : JSON.stringify(content) },
      },
    ],
    usage: { prompt_tokens: 120, completion_tokens: 12, total_tokens: 132 },
  },
});

/** A completion that calls a tool instead of saying something. */
export const toolCall = (name: string, given: object): ScriptedAnswer => ({
  status: 200,
  body: {
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        finish_reason: 'tool_calls',
        message: {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: `call_${name}`, type: 'function', function: { name, arguments: JSON.stringify(given) } }],
        },
      },
    ],
    usage: { prompt_tokens: 120, completion_tokens: 12, total_tokens: 132 },
  },
});

/** A model that does what texts tell it: with "999" in the conversation it claims 999 questions. */
export const obedient = ({ body }: ChatRequest): ScriptedAnswer | undefined =>
  body.messages.at(-1)?.content.includes('999') === true
    ? completion({ userQuestions: 999, score: 999, topics: ['music', 'hacking'], emotion: 'happy', admin: true })
    : undefined;

/** What an endpoint may do in place of a good answer, by name: it is away. */
export const llmOutages: Readonly<Record<string, ScriptedAnswer | ScriptedFault>> = {
  ...scriptedFaults,
  '429 without Retry-After': { status: 429, body: { error: { message: 'rate limit' } } },
  '429 with Retry-After': { status: 429, headers: { 'retry-after': '2' }, body: { error: { message: 'rate limit' } } },
  'headers that come a byte at a time': (response) => trickle(response.socket, 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n'),
  'a body that comes a byte at a time': (response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100000' });
    const timer = setInterval(() => response.write(' '), 20);
    response.once('close', () => clearInterval(timer));
  },
  'a redirect': { status: 307, headers: { location: 'http://127.0.0.1:1/latest/meta-data/' } },
  'a wrong key': { status: 401, body: { error: { message: 'Incorrect API key provided: sk-scripted-secret' } } },
};

const trickle = (socket: import('node:net').Socket | null, text: string): void => {
  let at = 0;
  const timer = setInterval(() => {
    if (socket === null || socket.destroyed || at >= text.length) return clearInterval(timer);
    socket.write(text[at++] ?? '');
  }, 50);
};
