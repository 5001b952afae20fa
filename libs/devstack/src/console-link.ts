/** Opens the console signed in. The token is in the fragment: no server, proxy or log sees it, and the page takes it out of the address bar. */
export const consoleLink = (gatewayUrl: string, token: string): string => `${gatewayUrl}/#/sign-in?token=${encodeURIComponent(token)}`;
