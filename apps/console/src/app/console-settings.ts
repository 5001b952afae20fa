/** What the gateway says of itself (`GET /console.json`). */
export interface ConsoleSettings {
  readonly version: string;
  /** Of the WebSocket, with its path; missing when the gateway cannot tell. */
  readonly realtimeUrl?: string;
  readonly mode: 'cluster' | 'embedded';
}

let asked: Promise<ConsoleSettings> | undefined;

/** Asked once for all rooms, and again after a failure. */
export function consoleSettings(): Promise<ConsoleSettings> {
  asked ??= fetch('./console.json', { signal: AbortSignal.timeout(10_000) }).then((answer) => {
    if (!answer.ok) throw new Error(`console.json: HTTP ${answer.status}`);
    return answer.json() as Promise<ConsoleSettings>;
  });
  asked.catch(() => (asked = undefined));
  return asked;
}
