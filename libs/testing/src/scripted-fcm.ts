import { generateKeyPairSync } from 'node:crypto';
import { createLocalJWKSet, exportJWK, jwtVerify } from 'jose';
import { type ScriptedAnswer, type ScriptedFault, ScriptedHttpServer, type ScriptedRequest } from './scripted-http-server.js';

/** A message as FCM was given it. */
export interface FcmMessage {
  readonly token: string;
  readonly notification: { readonly title?: string; readonly body: string };
  readonly data: { readonly conversationId: string; readonly messageId: string; readonly seq: string };
  readonly android: { readonly collapse_key: string; readonly notification: { readonly tag: string } };
  readonly apns: { readonly headers: Readonly<Record<string, string>> };
}

type FcmAnswer = ScriptedAnswer | ScriptedFault;

const PROJECT = 'parley-test';
const SENT: ScriptedAnswer = { status: 200, body: { name: `projects/${PROJECT}/messages/1` } };

/** What FCM answers about a token that is of no use any more. */
export const UNREGISTERED: ScriptedAnswer = {
  status: 404,
  body: {
    error: {
      code: 404,
      message: 'Requested entity was not found.',
      status: 'NOT_FOUND',
      details: [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: 'UNREGISTERED' }],
    },
  },
};

/** Firebase Cloud Messaging on this machine: gives access tokens to the holder of its key, takes messages, and answers as it is told to. */
export class ScriptedFcm {
  /** What was asked for and answered with 200, oldest first. */
  readonly sent: FcmMessage[] = [];
  /** Every message that was asked for, whatever was answered. */
  readonly asked: FcmMessage[] = [];
  /** Access tokens given out. */
  tokenCount = 0;
  /** What is answered to a message, in place of 200. */
  answer: (message: FcmMessage) => FcmAnswer | undefined = () => undefined;
  /** What is answered to a request for an access token, in place of one. */
  tokenAnswer: () => FcmAnswer | undefined = () => undefined;
  /** Access tokens that are not let in although they were given out. */
  readonly revoked = new Set<string>();

  /** Where its clients find it: `url`, or a proxy before it. */
  publicUrl: string;

  private constructor(
    private server: ScriptedHttpServer,
    private readonly keys: ReturnType<typeof generateKeyPairSync>,
  ) {
    this.publicUrl = server.url;
  }

  static async start(): Promise<ScriptedFcm> {
    const keys = generateKeyPairSync('rsa', { modulusLength: 2_048 });
    let play: (request: ScriptedRequest) => Promise<FcmAnswer> = () => Promise.reject(new Error('not started'));
    const fcm = new ScriptedFcm(await ScriptedHttpServer.start((request) => play(request)), keys);
    play = (request) => fcm.play(request);
    return fcm;
  }

  get url(): string {
    return this.server.url;
  }

  /** What FCM_SERVICE_ACCOUNT is set to. */
  get serviceAccount(): string {
    return JSON.stringify({
      type: 'service_account',
      project_id: PROJECT,
      private_key_id: 'key-1',
      private_key: this.keys.privateKey.export({ type: 'pkcs8', format: 'pem' }),
      client_email: 'push@parley-test.example',
      token_uri: `${this.publicUrl}/token`,
    });
  }

  /** Titles and texts that devices were shown, oldest first. */
  shown(): { token: string; title: string | undefined; body: string }[] {
    return this.sent.map(({ token, notification }) => ({ token, title: notification.title, body: notification.body }));
  }

  stop(): Promise<void> {
    return this.server.stop();
  }

  private async play({ method, path, headers, body }: ScriptedRequest): Promise<FcmAnswer> {
    if (method === 'POST' && path === '/token') return this.tokenAnswer() ?? this.giveToken(body as Record<string, string>);
    if (method !== 'POST' || path !== `/v1/projects/${PROJECT}/messages:send`) return { status: 404, body: {} };
    const token = headers.authorization?.replace('Bearer ', '') ?? '';
    const { message } = body as { message: FcmMessage };
    if (!/^access-\d+$/.test(token) || this.revoked.has(token))
      return { status: 401, body: { error: { code: 401, status: 'UNAUTHENTICATED' } } };
    this.asked.push(message);
    const answer = this.answer(message) ?? SENT;
    if (answer === SENT) this.sent.push(message);
    return answer;
  }

  private async giveToken({ grant_type: grant, assertion = '' }: Record<string, string>): Promise<ScriptedAnswer> {
    const key = { ...(await exportJWK(this.keys.publicKey)), kid: 'key-1', alg: 'RS256' };
    const { payload } = await jwtVerify(assertion, createLocalJWKSet({ keys: [key] }), {
      audience: `${this.publicUrl}/token`,
      issuer: 'push@parley-test.example',
    });
    const isRight =
      grant === 'urn:ietf:params:oauth:grant-type:jwt-bearer' && payload['scope'] === 'https://www.googleapis.com/auth/firebase.messaging';
    if (!isRight) return { status: 400, body: { error: 'invalid_grant' } };
    this.tokenCount += 1;
    return { status: 200, body: { access_token: `access-${this.tokenCount}`, expires_in: 3_600, token_type: 'Bearer' } };
  }
}
