import { type AdminGoaway, type AdminPicture, type AdminSectionName, adminSections } from '#lib/contracts/admin-live';

/** A reader of `GET /v1/admin/live`, as the console is one: keeps the newest of each section. */
export class AdminReader {
  /** What has arrived so far; each section was checked against its schema. */
  readonly picture: Partial<AdminPicture> = {};
  /** How often each section has come. */
  readonly counts = new Map<AdminSectionName, number>();
  goaway: AdminGoaway | undefined;
  /** Why it stopped reading: a section that does not fit its schema, or a cut connection. */
  failure: unknown;
  commentCount = 0;
  /** Longest picture seen, in characters: the sum of the newest event of each section. */
  get pictureLength(): number {
    return JSON.stringify(this.picture).length;
  }
  /** Resolves when the stream has ended, however it did. */
  readonly ended: Promise<void>;

  private constructor(
    body: ReadableStream<Uint8Array>,
    private readonly stopping: AbortController,
  ) {
    this.ended = this.readAll(body).catch((error: unknown) => {
      this.failure = error;
    });
  }

  /** @throws Error for an answer that is no stream; its message is the status and the body. */
  static async open(url: string, token: string): Promise<AdminReader> {
    const stopping = new AbortController();
    const answer = await fetch(`${url}/v1/admin/live`, { headers: { authorization: `Bearer ${token}` }, signal: stopping.signal });
    if (!answer.ok || answer.body === null) throw new Error(`${answer.status} ${await answer.text()}`);
    return new AdminReader(answer.body, stopping);
  }

  /** The section when it is known. @throws Error when it is not, or has not come. */
  known<Name extends AdminSectionName>(name: Name): Extract<AdminPicture[Name], { state: 'known' }> {
    if (this.failure !== undefined) throw new Error('the reader has stopped', { cause: this.failure });
    const section = this.picture[name];
    if (section?.state !== 'known') throw new Error(`${name} is ${section === undefined ? 'not there' : `unknown: ${section.reason}`}`);
    return section as Extract<AdminPicture[Name], { state: 'known' }>;
  }

  async close(): Promise<void> {
    this.stopping.abort();
    await this.ended;
  }

  private async readAll(body: ReadableStream<Uint8Array>): Promise<void> {
    let rest = '';
    const decoder = new TextDecoder();
    for await (const chunk of body) {
      rest += decoder.decode(chunk, { stream: true });
      const blocks = rest.split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) this.take(block);
    }
  }

  private take(block: string): void {
    const [, name, data] = /^event: (.+)\ndata: (.+)$/.exec(block) ?? [];
    if (name === undefined || data === undefined) {
      this.commentCount += Number(block === ':');
      return;
    }
    if (name === 'goaway') {
      this.goaway = JSON.parse(data) as AdminGoaway;
      return;
    }
    const section = name as AdminSectionName;
    Object.assign(this.picture, { [section]: adminSections[section].parse(JSON.parse(data)) });
    this.counts.set(section, (this.counts.get(section) ?? 0) + 1);
  }
}
