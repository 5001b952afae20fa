import { z } from 'zod';

/** Services that bring pushes to devices: Firebase Cloud Messaging and OneSignal. */
export const pushProviders = ['fcm', 'onesignal'] as const;
export type PushProvider = (typeof pushProviders)[number];

/** The name that an app gives its device, unique for its user. */
export const DeviceId = z
  .string()
  .regex(/^[A-Za-z0-9_.:-]{1,64}$/, 'must be 1-64 characters of A-Z a-z 0-9 _ . : -')
  .meta({ description: 'Your name for the device: 1-64 characters [A-Za-z0-9_.:-]', examples: ['pixel-9'] });
export type DeviceId = z.infer<typeof DeviceId>;

/**
 * `PUT /v1/devices/{deviceId}`. A token of FCM has some 150-200 characters, a subscription id of OneSignal 36; an index row of Postgres has
 * room for 2,700 bytes.
 */
export const DeviceRegistration = z
  .strictObject({
    provider: z.enum(pushProviders).meta({ description: 'The service that brings pushes to the device' }),
    token: z
      .string()
      .regex(/^[\x21-\x7e]{1,1024}$/, 'must be 1-1,024 printable ASCII characters without spaces')
      .meta({ description: 'fcm: the registration token; onesignal: the subscription id', examples: ['dGhpcyBpcyBhIHRva2Vu'] }),
  })
  .meta({ id: 'DeviceRegistration', examples: [{ provider: 'fcm', token: 'dGhpcyBpcyBhIHRva2Vu' }] });
export type DeviceRegistration = z.infer<typeof DeviceRegistration>;
