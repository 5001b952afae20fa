import type { Logger } from '#lib/runtime/log/logger';
import type { Notice } from '../notice.js';
import type { NoticeSink } from '../notify-operators.js';
import type { Severity } from '../rules.js';

const LEVELS: Readonly<Record<Severity, 'error' | 'warn' | 'info'>> = { P0: 'error', P1: 'warn', P2: 'info' };

/** Every notice as a line of the log, whatever else hears of it. */
export class LogAlerts implements NoticeSink {
  constructor(private readonly logger: Logger) {}

  offer({ kind, severity, alert, labels, summary, detail, runbook, fingerprint, suppressedCount }: Notice): void {
    const level = kind === 'resolved' ? 'info' : LEVELS[severity];
    this.logger[level]({ kind, severity, alert, labels, summary, detail, runbook, fingerprint, suppressedCount }, 'alert');
  }
}
