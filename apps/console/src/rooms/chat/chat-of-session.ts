import { type Session, session, signOut } from '../../app/session.js';
import type { Api } from '../../shared/api.js';
import { Chat } from './chat.js';

let current: { readonly token: string; readonly chat: Chat } | undefined;

function end(): void {
  current?.chat.close();
  current = undefined;
}

session.subscribe(() => {
  if (session.get()?.token !== current?.token) end();
});

/** Where the page came over https, a socket without TLS would be refused by the browser. */
const secured = (url: string): string => (location.protocol === 'https:' ? url.replace(/^ws:/, 'wss:') : url);

/** The one of a session: what waits to be sent, and what is written, outlives a look at another room. Ends with the session. */
export function chatOf({ token, userId }: Session, api: Api, realtimeUrl: string): Chat {
  if (current?.token === token) return current.chat;
  end();
  const chat = new Chat(api, userId, token, secured(realtimeUrl), () => signOut('refused'));
  current = { token, chat };
  chat.start();
  return chat;
}
