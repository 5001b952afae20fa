/** A URL as it may be shown: without user, password and parameters; `localhost` is what a browser's password manager knows. */
export function withoutLogin(url: string): string {
  if (!URL.canParse(url)) return url;
  const shown = new URL(url);
  Object.assign(shown, { username: '', password: '', search: '' });
  return shown.href.replace('127.0.0.1', 'localhost').replace(/\/$/, '');
}

/** `user / password` of a URL, to be typed; empty when it has none. */
export function loginOf(url: string): string {
  const { username, password } = new URL(url);
  const parts = [username, password].filter(Boolean).map(decodeURIComponent);
  return parts.join(' / ');
}
