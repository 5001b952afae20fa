import { z } from 'zod';

const severity = z.enum(['P0', 'P1', 'P2']);

/** What the alerter of one `ops` process holds for true, and what it told operators last. */
export const AlertsReport = z
  .object({
    at: z.iso.datetime(),
    environment: z.string().meta({ description: '`ALERT_ENVIRONMENT`' }),
    channels: z.array(z.string()).max(10).meta({ description: 'Who hears of alerts beside the log' }),
    items: z
      .array(
        z.object({
          alert: z.string(),
          severity,
          state: z.enum(['pending', 'firing']),
          labels: z.record(z.string(), z.string()),
          summary: z.string(),
          since: z.iso.datetime(),
          mutedBy: z.string().nullable().meta({ description: 'The alert that explains it, so that it is not sent; null = none' }),
          runbook: z.string().meta({ description: 'Page in docs/operate/runbooks' }),
        }),
      )
      .max(100)
      .meta({ description: 'The gravest first, at most 100' }),
    lastSent: z
      .array(
        z.object({
          at: z.iso.datetime(),
          kind: z.enum(['firing', 'resolved', 'digest', 'missed']),
          severity,
          alert: z.string(),
          summary: z.string(),
        }),
      )
      .max(20)
      .meta({ description: 'The newest first, of this process' }),
  })
  .meta({ id: 'AlertsReport' });
export type AlertsReport = z.infer<typeof AlertsReport>;
