import { useEffect, useState } from 'react';
import { ApiError } from '../shared/api.js';

/** What the gateway says of itself (`GET /console.json`). */
export interface ConsoleSettings {
  readonly version: string;
  /** Of the WebSocket, with its path; missing when the gateway cannot tell. */
  readonly realtimeUrl?: string;
  readonly mode: 'cluster' | 'embedded';
}

/** Before the next try. */
const RETRY_AFTER_MS = 5_000;

let asked: Promise<ConsoleSettings> | undefined;

/** Asked once for all rooms, and again after a failure. @throws ApiError `network` */
function consoleSettings(): Promise<ConsoleSettings> {
  asked ??= fetch('./console.json', { signal: AbortSignal.timeout(10_000) })
    .then((answer) => {
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      return answer.json() as Promise<ConsoleSettings>;
    })
    .catch((error: unknown) => {
      asked = undefined;
      throw new ApiError('network', `console.json: ${String(error)}`);
    });
  return asked;
}

/** The settings, or why there are none yet: they are asked for again by themselves, and with `retry`. */
export function useConsoleSettings() {
  const [found, setFound] = useState<{ readonly settings?: ConsoleSettings; readonly error?: unknown }>({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout>;
    let isOver = false;
    consoleSettings().then(
      (settings) => isOver || setFound({ settings }),
      (error: unknown) => {
        if (isOver) return;
        setFound({ error });
        timer = setTimeout(() => setTurn(turn + 1), RETRY_AFTER_MS);
      },
    );
    return () => {
      isOver = true;
      clearTimeout(timer);
    };
  }, [turn]);
  return { ...found, retry: () => setTurn(turn + 1) };
}
