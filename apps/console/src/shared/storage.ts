// A browser that is told to keep nothing throws at every use of its storage: then nothing is kept, and the page works.

const quietly = <Value>(work: () => Value, otherwise: Value): Value => {
  try {
    return work();
  } catch {
    return otherwise;
  }
};

/** `tab`: until the tab is closed, and in no other one. `browser`: for all tabs, for good. */
export type Place = 'tab' | 'browser';

const storageOf = (place: Place): Storage => (place === 'tab' ? sessionStorage : localStorage);

/** What was kept under `key`; null for nothing. */
export const kept = (place: Place, key: string): string | null => quietly(() => storageOf(place).getItem(key), null);

/** Keeps a text, or forgets what was kept. */
export function keep(place: Place, key: string, text: string | undefined): void {
  quietly(() => (text === undefined ? storageOf(place).removeItem(key) : storageOf(place).setItem(key, text)), undefined);
}

/** Told what another tab has kept under `key`, as long as the page lives. */
export function onKept(key: string, listener: () => void): void {
  addEventListener('storage', (event) => {
    if (event.key === key) listener();
  });
}
