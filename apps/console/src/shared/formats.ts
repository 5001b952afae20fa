import { type Language, useLanguage } from '../i18n/language.js';
import { type Formats, formatsOf, localeOf } from './formats-of.js';

const made = new Map<Language, Formats>();

/** How numbers, sizes and moments are written in one language. */
export function formatsIn(language: Language): Formats {
  const found = made.get(language) ?? formatsOf(localeOf(language, navigator.languages));
  made.set(language, found);
  return found;
}

export const useFormats = (): Formats => formatsIn(useLanguage());
