import { useState } from 'react';
import { chooseLanguage, languageNames, languages, useLanguage } from '../i18n/language.js';
import { useMessages } from '../i18n/messages.js';
import { useStore } from '../shared/store.js';
import { Button } from '../shared/ui/button.js';
import { Choice } from '../shared/ui/choice.js';
import { Actions, Dialog } from '../shared/ui/dialog.js';
import { useConsoleSettings } from './console-settings.js';
import s from './layout.module.css';
import { appMessages } from './messages.js';
import { type Session, signOut } from './session.js';
import { chooseTheme, theme, themes } from './theme.js';

/** A button, and the dialog that it opens: theme, language, the other pages of the gateway, and the way out. */
export function Settings({ session }: { readonly session?: Session }) {
  const words = useMessages(appMessages);
  const [isOpen, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <>
      <Button look="quiet" square aria-label={words.settings} aria-haspopup="dialog" onClick={() => setOpen(true)}>
        <Sliders />
      </Button>
      <Dialog title={words.settings} isOpen={isOpen} onClose={close}>
        <Choice
          label={words.theme}
          value={useStore(theme)}
          values={themes}
          nameOf={(value) => words.themes[value]}
          onChoose={chooseTheme}
        />
        <Choice
          label={words.language}
          value={useLanguage()}
          values={languages}
          nameOf={(value) => languageNames[value]}
          onChoose={chooseLanguage}
        />
        <Elsewhere />
        <About />
        <Actions>
          {session !== undefined && <Button onClick={() => signOut()}>{words.signOut}</Button>}
          <Button look="primary" onClick={close}>
            {words.close}
          </Button>
        </Actions>
      </Dialog>
    </>
  );
}

/** The gateway's other pages, each in a tab of its own. */
function Elsewhere() {
  const words = useMessages(appMessages);
  const pages = {
    './docs': words.apiPage,
    './openapi.json': words.openapi,
    './asyncapi.json': words.asyncapi,
    './problems': words.problemTypes,
    './v1/health': words.health,
    './metrics': words.metrics,
  };
  return (
    <nav className={s['elsewhere']} aria-label={words.elsewhere}>
      {Object.entries(pages).map(([href, name]) => (
        <a key={href} href={href} target="_blank" rel="noreferrer">
          {name}
        </a>
      ))}
    </nav>
  );
}

/** Which Parley this is; nothing as long as the gateway does not say. */
function About() {
  const words = useMessages(appMessages);
  const { settings } = useConsoleSettings();
  return settings === undefined ? null : (
    <p className={s['soft']}>
      Parley {settings.version}, {words.modes[settings.mode]}
    </p>
  );
}

const Sliders = () => (
  <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round">
    <path d="M3 6h7M14 6h3M3 14h3M10 14h7" />
    <circle cx="12" cy="6" r="2" />
    <circle cx="8" cy="14" r="2" />
  </svg>
);
