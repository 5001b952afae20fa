import { keep, kept, onKept } from '../shared/storage.js';
import { storeOf, useStore } from '../shared/store.js';

export const languages = ['en', 'vi'] as const;
export type Language = (typeof languages)[number];

/** Each language in its own words. */
export const languageNames: Readonly<Record<Language, string>> = { en: 'English', vi: 'Tiếng Việt' };

const KEY = 'parley.language';

const isLanguage = (text: string | null | undefined): text is Language => languages.some((each) => each === text);

function chosenOrFirst(): Language {
  const chosen = kept('browser', KEY);
  if (isLanguage(chosen)) return chosen;
  return navigator.languages.map((each) => each.slice(0, 2)).find(isLanguage) ?? 'en';
}

/** The language that the user chose, else the first one of the browser that there is. */
export const language = storeOf<Language>(chosenOrFirst());
document.documentElement.lang = language.get();
language.subscribe(() => (document.documentElement.lang = language.get()));
onKept(KEY, () => language.set(chosenOrFirst()));

export function chooseLanguage(chosen: Language): void {
  keep('browser', KEY, chosen);
  language.set(chosen);
}

export const useLanguage = (): Language => useStore(language);
