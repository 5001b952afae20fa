import { HttpFailure, UnusableAnswer } from '#lib/resilience/adapters/http/json-request';
import type { Breakers } from '#lib/resilience/call/breakers';
import { AlertChannelPort } from '../alert-channel.port.js';
import type { Notice } from '../notice.js';
import type { Severity } from '../rules.js';
import { WebhookApi } from './webhook-api.js';

/** R092. */
const COLOURS: Readonly<Record<Severity, string>> = { P0: '#FF0000', P1: '#FFA500', P2: '#FFFF00' };
const OTHER_COLOUR = '#CCCCCC';
const ICONS: Readonly<Record<Severity, string>> = { P0: 'emergency', P1: 'warning', P2: 'info' };
/** A message has at most 32 KB. */
const MOST_CHARACTERS = 12_000;
/** Google fetches the images of headers itself: they must be public. */
const IMAGES = 'https://www.gstatic.com/images/icons/material/system/2x';
const HEADERS: Readonly<Record<Severity, string>> = {
  P0: 'error_red_48dp.png',
  P1: 'warning_amber_48dp.png',
  P2: 'info_black_48dp.png',
};
const RESOLVED_HEADER = 'check_circle_black_48dp.png';

/** How notices look in a space. */
export interface GoogleChatOptions {
  /** Webhook of the space; a secret. */
  readonly url: string;
  readonly environment: string;
  /** Where the runbooks can be read; undefined = their page is named. */
  readonly runbookUrl?: string | undefined;
  /** For tests. */
  readonly timeoutMs?: number;
}

/** A space of Google Chat, by its webhook: https://developers.google.com/workspace/chat/api/reference/rest/v1/spaces.messages/create. */
export class GoogleChatAlertChannel extends AlertChannelPort {
  readonly name = 'Google Chat';
  private readonly api: WebhookApi;

  constructor(
    private readonly options: GoogleChatOptions,
    breakers: Breakers,
  ) {
    super();
    this.api = new WebhookApi('googleChat', options, breakers);
  }

  async send(notice: Notice): Promise<void> {
    try {
      await this.post(notice, cardOf(notice, this.options));
    } catch (error) {
      if (!(error instanceof HttpFailure && error.status === 400)) throw error;
      // A card that is not taken must not cost the alert: once more, as plain text.
      await this.post(notice, { text: textOf(notice) });
    }
  }

  override close(): void {
    this.api.close();
  }

  private post({ fingerprint }: Notice, body: object): Promise<void> {
    const thread = { threadKey: fingerprint, messageReplyOption: 'REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD' };
    return this.api.post({ ...body, thread: { threadKey: fingerprint } }, thread, refusePages);
  }
}

/** Google Chat answers with the message that it made, a relay in between with anything; a page is what a proxy shows that let nothing pass. */
const refusePages = (answer: string): void => {
  if (answer.trimStart().startsWith('<')) throw new UnusableAnswer('Google Chat', 'a page in place of an answer');
};

const titleOf = ({ kind, severity, alert }: Notice): string => `[${severity}] ${kind === 'resolved' ? `resolved: ${alert}` : alert}`;

/** The line of the push on a phone; `<users/all>` would call everyone. */
const textOf = (notice: Notice): string => plain(`${titleOf(notice)}: ${notice.summary}`).slice(0, MOST_CHARACTERS);

const cardOf = (notice: Notice, { environment, runbookUrl }: GoogleChatOptions): object => {
  const { kind, severity, fingerprint, labels, summary, detail, runbook, at, suppressedCount } = notice;
  const colour = kind === 'resolved' ? OTHER_COLOUR : COLOURS[severity];
  const line = (topLabel: string, text: string, icon?: string) => ({
    decoratedText: { topLabel, text, wrapText: true, ...(icon === undefined ? {} : { startIcon: { materialIcon: { name: icon } } }) },
  });
  const about = Object.entries(labels).filter(([name]) => name !== 'conversationId');
  const widgets = [
    line(
      'Message',
      `<font color="${colour}">${severity}</font> ${escaped(summary)}`,
      kind === 'resolved' ? 'check_circle' : ICONS[severity],
    ),
    line('Conversation ID', escaped(labels['conversationId'] ?? 'N/A')),
    line('Time', new Date(at).toISOString()),
    ...(about.length === 0 ? [] : [line('About', escaped(about.map(([name, value]) => `${name} ${value}`).join(', ')))]),
    { textParagraph: { text: escaped(detail.slice(0, MOST_CHARACTERS)).replaceAll('\n', '<br>') } },
    ...(suppressedCount === 0 ? [] : [line('Found true again since the last notice', `${suppressedCount} times`)]),
    ...(runbook === undefined
      ? []
      : [runbookUrl === undefined ? line('Runbook', `docs/operate/runbooks/${runbook}`) : buttonTo(runbookUrl, runbook)]),
  ];
  const subtitle = `${environment}, since ${new Date(notice.since).toISOString()}`;
  const imageUrl = `${IMAGES}/${kind === 'resolved' ? RESOLVED_HEADER : HEADERS[severity]}`;
  return {
    text: textOf(notice),
    cardsV2: [{ cardId: fingerprint, card: { header: { title: titleOf(notice), subtitle, imageUrl }, sections: [{ widgets }] } }],
  };
};

const buttonTo = (base: string, runbook: string): object => ({
  buttonList: { buttons: [{ text: 'Runbook', onClick: { openLink: { url: `${base.replace(/\/$/, '')}/${runbook}` } } }] },
});

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');

const plain = (text: string): string => text.replaceAll('<', '‹').replaceAll('>', '›');
