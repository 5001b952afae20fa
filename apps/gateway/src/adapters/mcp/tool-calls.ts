import type { FastifyRequest } from 'fastify';
import type { UserId } from '#lib/contracts/ids';
import type { ProblemError } from '#lib/contracts/problems';
import { routeDeadlinesMs } from '#lib/contracts/route-deadlines';
import { withDeadline } from '#lib/resilience/call/deadline';
import type { Pressure } from '#lib/resilience/load/pressure';
import type { Logger } from '#lib/runtime/log/logger';
import { metrics } from '#lib/runtime/metrics/metrics';
import { inSpan } from '#lib/runtime/trace/span';
import { verifyAdmitted } from '../http/edge/admission.js';
import { workOf } from '../http/edge/request-work.js';
import { problemErrorOf, renderProblem, retryAfterOf } from '../http/problems/problems.js';
import { parsed } from '../http/problems/validation.js';
import { nextSteps } from './next-steps.js';
import type { AgentTool, ToolResult } from './tools/agent-tool.js';

/** Where the problem of a failed call stands, beside the text that a model reads. */
export const PROBLEM_KEY = 'parley/problem';

/** The result of a tool call as the protocol has it. */
export interface CallResult {
  readonly [key: string]: unknown;
  readonly content: { readonly type: 'text'; readonly text: string }[];
}

/** One call of a tool by an agent: who calls, in which request, and why it may not; undefined when it may. */
export interface ToolCall {
  readonly tool: AgentTool;
  readonly arguments: unknown;
  readonly request: FastifyRequest;
  readonly caller: UserId;
  readonly refusal: ProblemError | undefined;
}

/** Calls tools as the edge calls the routes that they stand for, and makes tool errors of problems: a model reads those and goes on. */
export class ToolCalls {
  constructor(
    private readonly pressure: Pressure,
    private readonly logger: Logger,
  ) {}

  /** Never rejects. */
  async run(call: ToolCall): Promise<CallResult> {
    const { tool, request } = call;
    const startedAt = performance.now();
    let outcome = 'ok';
    try {
      const { structured, text } = await inSpan(`execute_tool ${tool.name}`, 'internal', (span) => {
        span?.set('gen_ai.operation.name', 'execute_tool').set('gen_ai.tool.name', tool.name);
        return this.answer(call);
      });
      return { content: [{ type: 'text', text }], structuredContent: structured };
    } catch (error) {
      const problem = problemErrorOf(error);
      outcome = problem.code;
      this.note(request, problem);
      return failed(request, problem);
    } finally {
      metrics.mcpToolDuration.observe({ tool: tool.name, outcome }, (performance.now() - startedAt) / 1_000);
    }
  }

  private async answer({ tool, arguments: given, caller, refusal }: ToolCall): Promise<ToolResult> {
    if (refusal !== undefined) throw refusal;
    verifyAdmitted(this.pressure, tool.route);
    const input = parsed(tool.input, withoutNulls(given));
    return withDeadline(routeDeadlinesMs[tool.route] ?? 0, () => tool.run(input as never, caller));
  }

  /** The request is answered 200, so what is wrong on our side is said here. */
  private note(request: FastifyRequest, problem: ProblemError): void {
    workOf(request).failure = problem;
    if (problem.code !== 'internal') return;
    metrics.uncaughtErrors.inc({ where: 'request' });
    this.logger.error({ ...workOf(request).context, err: problem.cause }, 'a tool call failed');
  }
}

/** Models that must fill in every argument give null for those that they mean to leave out; as a number null would be 0. */
const withoutNulls = (given: unknown): unknown =>
  given !== null && typeof given === 'object' && !Array.isArray(given)
    ? Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
    : given;

const failed = (request: FastifyRequest, problem: ProblemError): CallResult => {
  const { requestId } = workOf(request).context;
  const rendered = { ...renderProblem(problem, { url: request.raw.url ?? '', requestId }), retryAfterSeconds: retryAfterOf(problem) };
  const { code, detail, retryable, retryAfterSeconds, errors } = rendered;
  return {
    isError: true,
    content: [
      { type: 'text', text: JSON.stringify({ code, detail, next: nextSteps[code], retryable, retryAfterSeconds, errors, requestId }) },
    ],
    _meta: { [PROBLEM_KEY]: rendered },
  };
};
