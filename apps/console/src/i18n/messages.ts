import { type Language, useLanguage } from './language.js';

/** A text, or what makes one from values. */
type Text = string | ((...values: never[]) => string);
type Texts = { readonly [name: string]: Text | Texts };

/** The same names, any words: a constant `'Send'` becomes `string`. */
type Translated<T> = {
  readonly [Name in keyof T]: T[Name] extends string ? string : T[Name] extends Texts ? Translated<T[Name]> : T[Name];
};

/** The words of one part of the console in every language. */
export type Messages<T> = Readonly<Record<Language, Translated<T>>>;

/** The compiler asks for each text in each language, with the same values. */
export const messagesOf = <const T extends Texts>(en: T, vi: Translated<T>): Messages<T> => ({ en: en as Translated<T>, vi });

/** The words in the chosen language. */
export const useMessages = <T>(messages: Messages<T>): Translated<T> => messages[useLanguage()];
