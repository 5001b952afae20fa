import { storeOf, useStore } from '../shared/store.js';

export const languages = ['en', 'vi'] as const;
export type Language = (typeof languages)[number];

/** Each language in its own words. */
export const languageNames: Readonly<Record<Language, string>> = { en: 'English', vi: 'Tiếng Việt' };

const KEY = 'parley.language';

const isLanguage = (text: string | null | undefined): text is Language => languages.some((each) => each === text);

function kept(): Language {
  const chosen = localStorage.getItem(KEY);
  if (isLanguage(chosen)) return chosen;
  return navigator.languages.map((each) => each.slice(0, 2)).find(isLanguage) ?? 'en';
}

/** The language that the user chose, else the first one of the browser that there is. */
export const language = storeOf<Language>(kept());
document.documentElement.lang = language.get();

export function chooseLanguage(chosen: Language): void {
  localStorage.setItem(KEY, chosen);
  document.documentElement.lang = chosen;
  language.set(chosen);
}

export const useLanguage = (): Language => useStore(language);
