import { createHmac } from 'node:crypto';

let key: string | undefined;

/** The key of this process; every process of a Parley has the same. */
export const setPseudonymKey = (secret: string | undefined): void => {
  key = secret;
};

/** A name for a user that says nothing about it and is the same in every trace; undefined without a key. */
export const pseudonymOf = (userId: string): string | undefined =>
  key === undefined ? undefined : createHmac('sha256', key).update(userId).digest('base64url').slice(0, 22);
