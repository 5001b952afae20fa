import { useEffect, useState } from 'react';
import type { DeadLetter, DeadLetterPage } from '#lib/contracts/admin';
import { useApi } from '../../app/api.js';
import { isAborted } from '../../shared/api.js';

/** Which dead letters are shown; '' = any. */
export interface LetterFilter {
  readonly queue: string;
  readonly type: string;
  readonly errorClass: string;
  readonly text: string;
}

/** Letters of one answer: enough to choose from, and read in a moment. */
const LIMIT = 200;
/** Milliseconds: letters are read one by one from RabbitMQ, which may wait for another operator's order. */
export const READ_WITHIN_MS = 20_000;

/** The name of a letter; one event may be dead in several queues. */
export const keyOf = ({ queue, id }: DeadLetter): string => `${queue} ${id}`;

/** The letters that match, read anew when the filter or `version` changes and after `reload`. */
export function useLetters({ queue, type, errorClass, text }: LetterFilter, version: string) {
  const api = useApi();
  const [found, setFound] = useState<{ readonly page?: DeadLetterPage; readonly error?: unknown }>({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const asking = new AbortController();
    const given = Object.entries({ queue, type, errorClass, text }).filter(([, value]) => value !== '');
    const query = new URLSearchParams([...given, ['limit', String(LIMIT)]]);
    const ask = async () => {
      try {
        const page = await api.ask<DeadLetterPage>(`./v1/admin/dead-letters?${query}`, {
          signal: asking.signal,
          timeoutMs: READ_WITHIN_MS,
        });
        setFound({ page });
      } catch (error) {
        if (!isAborted(error)) setFound((before) => ({ ...before, error }));
      }
    };
    void ask();
    return () => asking.abort();
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- another version: there is something new to read
  }, [api, queue, type, errorClass, text, version, turn]);
  return { ...found, reload: () => setTurn((before) => before + 1) };
}
