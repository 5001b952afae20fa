import { storeOf } from '../shared/store.js';

/** `system` follows `prefers-color-scheme`. */
export const themes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof themes)[number];

const KEY = 'parley.theme';

const kept = (): Theme => themes.find((theme) => theme === localStorage.getItem(KEY)) ?? 'system';

/** The theme that the user chose; kept by the browser. */
export const theme = storeOf<Theme>(kept());

/** Shows the chosen theme: tokens.css reads `data-theme`. */
export function applyTheme(): void {
  const chosen = theme.get();
  if (chosen === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = chosen;
}

export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(KEY, chosen);
  theme.set(chosen);
  applyTheme();
}
