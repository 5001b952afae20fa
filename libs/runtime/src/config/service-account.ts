import { createPrivateKey } from 'node:crypto';
import { z } from 'zod';

const isRsaKey = (pem: string): boolean => {
  try {
    return createPrivateKey(pem).asymmetricKeyType === 'rsa';
  } catch {
    return false;
  }
};

/** What is used of the key file of a Google service account. `token_uri` is where its signed assertion is exchanged for an access token. */
export const ServiceAccount = z.object({
  project_id: z.string().regex(/^[a-z0-9:.-]{1,100}$/),
  client_email: z.string().min(1),
  private_key: z.string().refine(isRsaKey),
  private_key_id: z.string().optional(),
  token_uri: z.url({ protocol: /^https?$/ }).default('https://oauth2.googleapis.com/token'),
});
export type ServiceAccount = z.infer<typeof ServiceAccount>;

/** Whether a text is the JSON of such a key file. */
export const isServiceAccount = (text: string): boolean => {
  try {
    return ServiceAccount.safeParse(JSON.parse(text)).success;
  } catch {
    return false;
  }
};
