import type { Breakers } from '#lib/resilience/call/breakers';
import { AlertChannelPort } from '../alert-channel.port.js';
import type { Notice } from '../notice.js';
import { WebhookApi } from './webhook-api.js';

/** Anything that takes the webhooks of Alertmanager (version 4): https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. */
export class WebhookAlertChannel extends AlertChannelPort {
  readonly name = 'webhook';
  private readonly api: WebhookApi;

  /** @param options.timeoutMs for tests. */
  constructor(
    private readonly options: { readonly url: string; readonly environment: string; readonly timeoutMs?: number },
    breakers: Breakers,
  ) {
    super();
    this.api = new WebhookApi('alertWebhook', options, breakers);
  }

  async send(notice: Notice): Promise<void> {
    await this.api.post(bodyOf(notice, this.options.environment));
  }

  override close(): void {
    this.api.close();
  }
}

const bodyOf = (notice: Notice, environment: string): object => {
  const { kind, alert, severity, fingerprint, labels, summary, detail, runbook, since, at, suppressedCount } = notice;
  const status = kind === 'resolved' ? 'resolved' : 'firing';
  const all = { alertname: alert, severity: severity.toLowerCase(), environment, ...labels };
  const annotations = {
    summary,
    description: detail,
    ...(runbook === undefined ? {} : { runbook: `docs/operate/runbooks/${runbook}` }),
    ...(suppressedCount === 0 ? {} : { suppressed: String(suppressedCount) }),
  };
  // Alertmanager says "not yet" with the zero of Go's time.
  const endsAt = status === 'resolved' ? new Date(at).toISOString() : '0001-01-01T00:00:00Z';
  return {
    version: '4',
    groupKey: fingerprint,
    truncatedAlerts: 0,
    status,
    receiver: 'parley',
    groupLabels: { alertname: alert },
    commonLabels: all,
    commonAnnotations: annotations,
    externalURL: '',
    alerts: [{ status, labels: all, annotations, startsAt: new Date(since).toISOString(), endsAt, generatorURL: '', fingerprint }],
  };
};
