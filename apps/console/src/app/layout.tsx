import type { ReactNode } from 'react';
import { Link, useLocation } from 'wouter';
import { chooseLanguage, languageNames, languages, useLanguage } from '../i18n/language.js';
import { useMessages } from '../i18n/messages.js';
import { useStore } from '../shared/store.js';
import { Menu, MenuChoice, MenuItem, MenuLine, MenuLink } from '../shared/ui/menu.js';
import { Badge } from '../shared/ui/notice.js';
import icon from './icon.svg';
import s from './layout.module.css';
import { appMessages } from './messages.js';
import { isAdmin, type Session, signOut } from './session.js';
import { chooseTheme, theme, themes } from './theme.js';

const rooms = ['chat', 'pipeline', 'repair'] as const;

/** The bar on top with the rooms, and the room below it. */
export function Layout({ session, children }: { readonly session: Session; readonly children: ReactNode }) {
  const words = useMessages(appMessages);
  const [location] = useLocation();
  const shown = isAdmin(session) ? rooms : (['chat'] as const);
  return (
    <div className={s['frame']}>
      <a className={s['skip']} href="#content" onClick={skipToContent}>
        {words.skip}
      </a>
      <header className={s['bar']}>
        <Brand />
        <nav aria-label={words.rooms} className={s['rooms']}>
          {shown.map((room) => (
            <Link
              key={room}
              href={`/${room}`}
              className={s['room'] ?? ''}
              aria-current={location.startsWith(`/${room}`) ? 'page' : undefined}
            >
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
        <SettingsMenu session={session} />
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

export const Brand = () => (
  <span className={s['brand']}>
    <img src={icon} alt="" width="22" height="22" />
    <span className={s['brandName']}>Parley</span>
  </span>
);

/** Theme, language, the gateway's other pages, and the way out. */
export function SettingsMenu({ session }: { readonly session?: Session }) {
  const words = useMessages(appMessages);
  return (
    <Menu label={<Cog />} title={words.settings}>
      <MenuChoice
        label={words.theme}
        value={useStore(theme)}
        values={themes}
        nameOf={(value) => words.themes[value]}
        onChoose={chooseTheme}
      />
      <MenuLine />
      <MenuChoice
        label={words.language}
        value={useLanguage()}
        values={languages}
        nameOf={(value) => languageNames[value]}
        onChoose={chooseLanguage}
      />
      <MenuLine />
      <MenuLink href="./docs">{words.apiPage}</MenuLink>
      <MenuLink href="./openapi.json">{words.openapi}</MenuLink>
      <MenuLink href="./asyncapi.json">{words.asyncapi}</MenuLink>
      <MenuLink href="./problems">{words.problemTypes}</MenuLink>
      <MenuLink href="./v1/health">{words.health}</MenuLink>
      <MenuLink href="./metrics">{words.metrics}</MenuLink>
      {session !== undefined && (
        <>
          <MenuLine />
          <MenuItem onChoose={() => signOut()}>{words.signOut}</MenuItem>
        </>
      )}
    </Menu>
  );
}

const Cog = () => (
  <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round">
    <path d="M3 6h7M14 6h3M3 14h3M10 14h7" />
    <circle cx="12" cy="6" r="2" />
    <circle cx="8" cy="14" r="2" />
  </svg>
);
