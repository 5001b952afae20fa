import { z } from 'zod';
import { Problem, type ProblemCode, ProblemError, problems } from '#lib/contracts/problems';
import { PROBLEM_TYPE, renderProblem } from '../problems/problems.js';
import { isOperations } from '../edge/operations-routes.js';
import { type Json, type JsonSchemas, type Ref, refTo } from './json-schemas.js';

/** The status of a body of another media type, which is a `validation` problem as well. */
const UNSUPPORTED_MEDIA_TYPE = 415;

/** The name of the problem of a status: generators make a type of it. */
const names: Readonly<Record<number, string>> = {
  400: 'ValidationProblem',
  401: 'UnauthenticatedProblem',
  403: 'ForbiddenProblem',
  404: 'NotFoundProblem',
  412: 'VersionConflictProblem',
  413: 'PayloadTooLargeProblem',
  [UNSUPPORTED_MEDIA_TYPE]: 'UnsupportedMediaTypeProblem',
  422: 'IdempotencyKeyReusedProblem',
  429: 'RateLimitedProblem',
  500: 'InternalProblem',
  503: 'UnavailableProblem',
};

const codesOf = (status: number): ProblemCode[] =>
  status === UNSUPPORTED_MEDIA_TYPE
    ? ['validation']
    : (Object.keys(problems) as ProblemCode[]).filter((code) => problems[code].status === status);

/** Problems of single operations, beside those that follow from what an operation takes. */
const ofOperations: Readonly<Record<string, readonly ProblemCode[]>> = {
  addMember: ['forbidden', 'not-found'],
  deleteMessage: ['forbidden', 'not-found', 'version-conflict'],
  discardDeadLetters: ['not-found'],
  editMessage: ['forbidden', 'not-found', 'version-conflict'],
  endConversation: ['not-found'],
  listDeadLetters: ['not-found'],
  registerDevice: [],
  removeDevice: [],
  removeMember: ['forbidden', 'not-found'],
  replayDeadLetters: ['not-found'],
  searchMessages: ['not-found'],
  startScoring: ['not-found'],
  suggestActivities: ['not-found'],
  uploadDocument: ['not-found'],
  eraseUser: [],
};

/** What decides about the problems of an operation. */
export interface ProblemFacts {
  readonly path: string;
  readonly operationId: string;
  readonly hasBody: boolean;
  readonly takesKey: boolean;
  readonly isForAdmins: boolean;
}

/** The statuses of the problems that an operation may answer with. An id in the path may be unknown unless the table says otherwise. */
export const problemStatusesOf = ({ path, operationId, hasBody, takesKey, isForAdmins }: ProblemFacts): number[] => {
  if (isOperations(path)) return [400, 500];
  const own = ofOperations[operationId] ?? (path.includes('{') ? (['not-found'] as const) : []);
  const statuses = [
    ...own.map((code) => problems[code].status),
    ...(isForAdmins ? [403] : []),
    ...(hasBody ? [413, UNSUPPORTED_MEDIA_TYPE] : []),
    ...(takesKey ? [422] : []),
    400,
    401,
    429,
    500,
    503,
  ];
  return [...new Set(statuses)].sort((one, other) => one - other);
};

/** The answer with the problem of a status. */
export const problemResponse = (status: number): Ref => refTo('components', 'responses', names[status] ?? 'InternalProblem');

const exampleOf = (code: ProblemCode, status: number): Json => {
  const errors = [{ pointer: '/content', message: 'must not be empty' }];
  const detail: Partial<Record<ProblemCode, string>> = {
    validation: status === UNSUPPORTED_MEDIA_TYPE ? 'The body must be application/json.' : 'Some fields are not valid.',
    unauthenticated: 'Send a token: Authorization: Bearer <JWT>.',
    forbidden: 'Only its sender can change a message.',
    'not-found': 'There is no such conversation.',
    'version-conflict': 'The message is at version 2, which If-Match does not allow.',
  };
  const of = { url: '/v1/conversations', requestId: '0199a2f0-8000-7000-8000-000000000008' };
  const problem = new ProblemError(code, detail[code] ?? `${problems[code].title}.`, {
    status,
    ...(code === 'validation' && status === 400 ? { errors } : {}),
  });
  return { ...renderProblem(problem, of) };
};

/** Every problem as an answer: its schema narrows `status` and `code`, so that a client can tell them apart. */
export const problemResponses = (schemas: JsonSchemas): Readonly<Record<string, Json>> =>
  Object.fromEntries(
    Object.entries(names).map(([key, name]) => {
      const status = Number(key);
      const codes = codesOf(status);
      const schema = schemas.add(name, Problem.extend({ status: z.literal(status), code: z.enum(codes) }).meta({ id: undefined }));
      const titleOf = (code: ProblemCode) =>
        status === UNSUPPORTED_MEDIA_TYPE ? 'The body is of another media type than application/json' : problems[code].title;
      const meanings = codes.map((code) => `\`${code}\`: ${titleOf(code)}`);
      const examples = Object.fromEntries(codes.map((code) => [code, { summary: titleOf(code), value: exampleOf(code, status) }]));
      return [name, { description: meanings.join('; '), headers: headersOf(status), content: { [PROBLEM_TYPE]: { schema, examples } } }];
    }),
  );

const headersOf = (status: number): Readonly<Record<string, Ref>> => {
  const of = [
    ...(status === 429 || status === 503 ? ['Retry-After'] : []),
    ...(status === 401 ? ['WWW-Authenticate'] : []),
    'X-Request-Id',
  ];
  return Object.fromEntries(of.map((name) => [name, refTo('components', 'headers', name)]));
};
