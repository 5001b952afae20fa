import {
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  NoSuchKey,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import type { ObjectAbout } from '../object-store.port.js';
import type { ObjectBackend } from './object-backend.js';

/** How an S3 bucket is reached. */
export interface S3Options {
  readonly bucket: string;
  /** Before every key, with its slash; may be empty. */
  readonly prefix: string;
  readonly region: string;
  /** Of a store that is not AWS; its buckets are named in the path. */
  readonly endpoint: string | undefined;
  /** Without them the SDK looks for those of the machine. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } | undefined;
}

const CONNECT_MS = 2_000;
/** Above the limit of a call, whose signal ends it: a connection on which nothing moves must not outlive it for long. */
const SOCKET_MS = 20_000;
const MAX_SOCKETS = 16;

/** `s3://bucket/prefix?endpoint=…&region=…`. */
export const s3OptionsOf = (url: URL, credentials: S3Options['credentials']): S3Options => {
  const path = url.pathname.replaceAll(/^\/+|\/+$/g, '');
  return {
    bucket: url.hostname,
    prefix: path === '' ? '' : `${path}/`,
    region: url.searchParams.get('region') ?? 'us-east-1',
    endpoint: url.searchParams.get('endpoint') ?? undefined,
    credentials,
  };
};

/** Objects in a bucket of S3, or of what speaks like it. One attempt for each call: retries, limit and breaker are those of CalledObjectStore. */
export class S3Objects implements ObjectBackend {
  private readonly client: S3Client;

  constructor(private readonly options: S3Options) {
    const { region, endpoint, credentials } = options;
    const requestHandler: NonNullable<S3ClientConfig['requestHandler']> = {
      connectionTimeout: CONNECT_MS,
      socketTimeout: SOCKET_MS,
      httpAgent: { maxSockets: MAX_SOCKETS },
      httpsAgent: { maxSockets: MAX_SOCKETS },
    };
    this.client = new S3Client({
      region,
      maxAttempts: 1,
      requestHandler,
      ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: true }),
      ...(credentials === undefined ? {} : { credentials }),
    });
  }

  async put(key: string, bytes: Uint8Array, { contentType, contentEncoding }: ObjectAbout, signal: AbortSignal): Promise<void> {
    const encoding = contentEncoding === undefined ? {} : { ContentEncoding: contentEncoding };
    const object = { ...this.place(key), Body: bytes, ContentLength: bytes.length, ContentType: contentType, ...encoding };
    await this.client.send(new PutObjectCommand(object), { abortSignal: signal });
  }

  async get(key: string, maxBytes: number, signal: AbortSignal): Promise<Buffer | undefined> {
    try {
      const { Body: body } = await this.client.send(new GetObjectCommand(this.place(key)), { abortSignal: signal });
      return await bytesOf(body as AsyncIterable<Uint8Array>, maxBytes, signal);
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  }

  async remove(keys: readonly string[], signal: AbortSignal): Promise<number> {
    const { bucket: Bucket, prefix } = this.options;
    const Objects = keys.map((key) => ({ Key: `${prefix}${key}` }));
    const { Errors, Deleted } = await this.client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }), { abortSignal: signal });
    const [failed] = Errors ?? [];
    if (failed !== undefined) throw new Error(`the store did not remove an object: ${failed.Code ?? 'no code'}`);
    return Deleted?.length ?? keys.length;
  }

  async keys(prefix: string, limit: number, after: string | undefined, signal: AbortSignal): Promise<string[]> {
    const { bucket: Bucket, prefix: own } = this.options;
    const start = after === undefined ? {} : { StartAfter: `${own}${after}` };
    const list = new ListObjectsV2Command({ Bucket, Prefix: `${own}${prefix}`, MaxKeys: limit, ...start });
    const { Contents = [] } = await this.client.send(list, { abortSignal: signal });
    return Contents.flatMap(({ Key }) => Key?.slice(own.length) ?? []);
  }

  close(): void {
    this.client.destroy();
  }

  private place(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.options.bucket, Key: `${this.options.prefix}${key}` };
  }
}

/** Counted as they come: what a store says of the length need not be true. */
const bytesOf = async (
  body: AsyncIterable<Uint8Array> & { destroy?: () => void },
  maxBytes: number,
  signal: AbortSignal,
): Promise<Buffer> => {
  const onAbort = () => body.destroy?.();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const chunks: Uint8Array[] = [];
    let length = 0;
    for await (const chunk of body) {
      length += chunk.length;
      if (length > maxBytes) throw new RangeError(`the object has more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    signal.throwIfAborted();
    return Buffer.concat(chunks);
  } finally {
    signal.removeEventListener('abort', onAbort);
    body.destroy?.();
  }
};
