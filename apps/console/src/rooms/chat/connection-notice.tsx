import { useSyncExternalStore } from 'react';
import { closeCodes } from '#client/frames';
import { useMessages } from '../../i18n/messages.js';
import { useStore } from '../../shared/store.js';
import type { Chat } from './chat.js';
import s from './chat.module.css';
import { chatMessages } from './messages.js';

const onNetwork = (listener: () => void) => {
  addEventListener('online', listener);
  addEventListener('offline', listener);
  return () => {
    removeEventListener('online', listener);
    removeEventListener('offline', listener);
  };
};

/** Says in words that there is no connection, and what happens meanwhile. Nothing while all is well. */
export function ConnectionNotice({ chat }: { readonly chat: Chat }) {
  const words = useMessages(chatMessages).connection;
  const connection = useStore(chat.connection);
  const hasNetwork = useSyncExternalStore(onNetwork, () => navigator.onLine);
  const text = (() => {
    if (!hasNetwork) return words.offline;
    switch (connection.state) {
      case 'live':
      case 'idle':
        return undefined;
      case 'connecting':
        return words.connecting;
      case 'closed':
        return words.gone;
      case 'waiting':
        if (connection.code === closeCodes.forbiddenOrigin) return words.origin;
        return connection.code === closeCodes.rateLimited ? words.busy : words.lost;
    }
  })();
  return (
    <div className={s['connection']} role="status" data-shown={text !== undefined || undefined}>
      {text}
    </div>
  );
}
