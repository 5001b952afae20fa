import { CONTROL_REPLY_MAX_BYTES, type ControlQuestion, type ControlReply, controlAnswers, type ProcessName } from '#lib/contracts/control';
import type { askSiblings } from '#lib/runtime/workers/sibling-workers';
import type { ControlAnswers, ProcessAnswer } from './control-channel.port.js';
import { nameOf } from './process-roster.js';

/** The encoded reply of this process to a question, which may come from another version. Never rejects. */
export const replyOf = async (self: ProcessName, question: string, answer: (question: string) => unknown): Promise<Buffer> => {
  const encoded = Buffer.from(JSON.stringify(await makeReply(self, question, answer)));
  if (encoded.length <= CONTROL_REPLY_MAX_BYTES) return encoded;
  return Buffer.from(JSON.stringify({ from: self, answer: null, failure: 'too-large' } satisfies ControlReply));
};

const makeReply = async (from: ProcessName, question: string, answer: (question: string) => unknown): Promise<ControlReply> => {
  if (!isKnown(question)) return { from, answer: null, failure: 'unknown-question' };
  try {
    return { from, answer: controlAnswers[question].parse((await answer(question)) ?? null) };
  } catch {
    return { from, answer: null, failure: 'failed' };
  }
};

const isKnown = (question: string): question is ControlQuestion => Object.hasOwn(controlAnswers, question);

/** The answer in a reply, checked against the schema of its question. */
export const answerFrom = (question: ControlQuestion, { from, answer, failure }: ControlReply): ProcessAnswer<unknown> => {
  if (failure === 'unknown-question') return { ...from, silent: true, reason: 'not-understood' };
  if (failure !== undefined) return { ...from, silent: true, reason: 'failed' };
  const parsed = controlAnswers[question].safeParse(answer);
  return parsed.success ? { ...from, silent: false, answer: parsed.data } : { ...from, silent: true, reason: 'not-understood' };
};

/** The answers of this process and its siblings behind the same port, without a broker. Settles within 1.5 s. */
export const siblingAnswers = async (
  ask: typeof askSiblings,
  question: ControlQuestion,
  { app, host }: ProcessName,
): Promise<ProcessAnswer<unknown>[]> => {
  const { workers } = await ask(question).catch(() => ({ workers: undefined }));
  if (workers === undefined) return [{ app, host, pid: process.pid, silent: true, reason: 'failed' }];
  return workers.map((worker) => {
    const from = { app, host, pid: worker.pid };
    return worker.silent ? { ...from, silent: true, reason: 'no-answer' } : answerFrom(question, { from, answer: worker.answer ?? null });
  });
};

/** One line per process: an answer wins over a silence from either way. */
export const combined = (
  near: readonly ProcessAnswer<unknown>[],
  { processes, others }: ControlAnswers<unknown>,
): ControlAnswers<unknown> => {
  const byName = new Map<string, ProcessAnswer<unknown>>();
  for (const each of [...near, ...processes]) {
    const known = byName.get(nameOf(each));
    if (known === undefined || known.silent) byName.set(nameOf(each), each);
  }
  return { processes: [...byName.values()].sort(inOrder), others };
};

const inOrder = (one: ProcessName, other: ProcessName): number =>
  one.app.localeCompare(other.app) || one.host.localeCompare(other.host) || one.pid - other.pid;
