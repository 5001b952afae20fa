import { createContext, type ReactNode, useContext, useEffect, useMemo, useState } from 'react';
import { useApi } from '../../app/api.js';
import { useStore } from '../../shared/store.js';
import { AdminStream, type Live } from './admin-stream.js';

const Context = createContext<AdminStream | undefined>(undefined);

/** One admin stream for the room below it, open as long as it is shown. */
export function LiveProvider({ children }: { readonly children: ReactNode }) {
  const api = useApi();
  const stream = useMemo(
    () => new AdminStream((signal) => api.open('./v1/admin/live', { signal, timeoutMs: 0, headers: { accept: 'text/event-stream' } })),
    [api],
  );
  useEffect(() => {
    const [offline, online] = [() => stream.cut(), () => stream.retryNow()];
    addEventListener('offline', offline);
    addEventListener('online', online);
    const stop = stream.start();
    return () => {
      removeEventListener('offline', offline);
      removeEventListener('online', online);
      stop();
    };
  }, [stream]);
  return <Context value={stream}>{children}</Context>;
}

function useStream(): AdminStream {
  const found = useContext(Context);
  if (found === undefined) throw new Error('there is no LiveProvider above');
  return found;
}

/** The newest picture and how current it is. */
export const useLive = (): Live => useStore(useStream().store);

/** Opens a cut stream again now. */
export function useRetryNow(): () => void {
  const stream = useStream();
  return () => stream.retryNow();
}

/** The time, again each second: what says since when counts on. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
