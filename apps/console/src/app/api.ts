import { useMemo } from 'react';
import { Api } from '../shared/api.js';
import { signOut, useSession } from './session.js';

/** The API with the token of the session; a token that is refused ends the session. */
export function useApi(): Api {
  const { token } = useSession();
  return useMemo(() => new Api(token, () => signOut('refused')), [token]);
}
