import { keep, kept, onKept } from '../shared/storage.js';
import { storeOf } from '../shared/store.js';

/** `system` follows `prefers-color-scheme`. */
export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const KEY = 'parley.theme';

const chosenOrSystem = (): Theme => {
  const chosen = kept('browser', KEY);
  return themes.find((each) => each === chosen) ?? 'system';
};

/** The theme that the user chose; kept by the browser. */
export const theme = storeOf<Theme>(chosenOrSystem());

/** Shows the chosen theme, now and whenever another is chosen: tokens.css reads `data-theme`. */
export function applyTheme(): void {
  const apply = () => {
    const chosen = theme.get();
    if (chosen === 'system') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = chosen;
  };
  apply();
  theme.subscribe(apply);
  onKept(KEY, () => theme.set(chosenOrSystem()));
}

export function chooseTheme(chosen: Theme): void {
  keep('browser', KEY, chosen);
  theme.set(chosen);
}
