import { type ReactNode, useEffect } from 'react';
import { Link, useLocation } from 'wouter';
import { useMessages } from '../i18n/messages.js';
import { Badge } from '../shared/ui/notice.js';
import { Brand } from './brand.js';
import s from './layout.module.css';
import { appMessages } from './messages.js';
import { isAdmin, type Session } from './session.js';
import { Settings } from './settings.js';

const rooms = ['chat', 'pipeline', 'repair'] as const;

/** The bar on top with the rooms, and the room below it. */
export function Layout({ session, children }: { readonly session: Session; readonly children: ReactNode }) {
  const words = useMessages(appMessages);
  const [location] = useLocation();
  const shown = isAdmin(session) ? rooms : (['chat'] as const);
  const current = shown.find((room) => location.startsWith(`/${room}`));
  useEffect(() => {
    document.title = current === undefined ? 'Parley' : `${words[current]} · Parley`;
  }, [current, words]);
  return (
    <div className={s['frame']}>
      <a className={s['skip']} href="#content" onClick={skipToContent}>
        {words.skip}
      </a>
      <header className={s['bar']}>
        <Brand />
        <nav aria-label={words.rooms} className={s['rooms']}>
          {shown.map((room) => (
            <Link key={room} href={`/${room}`} className={s['room'] ?? ''} aria-current={room === current ? 'page' : undefined}>
              {words[room]}
            </Link>
          ))}
        </nav>
        <span className={s['space']} />
        <span className={s['user']} title={words.signedInAs(session.userId)}>
          <span className="visually-hidden">{words.signedInAs(session.userId)}</span>
          <bdi aria-hidden>{session.userId}</bdi>
          {isAdmin(session) && <Badge>{words.admin}</Badge>}
        </span>
        <Settings session={session} />
      </header>
      <main id="content" tabIndex={-1} className={s['content']}>
        {children}
      </main>
    </div>
  );
}

/** A link to `#content` would be an address of its own here. */
function skipToContent(event: { preventDefault: () => void }): void {
  event.preventDefault();
  document.getElementById('content')?.focus();
}
