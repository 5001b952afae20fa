import type { Message } from '#client/frames';
import { useMessages } from '../../i18n/messages.js';
import s from './chat.module.css';
import { chatMessages, type ChatWords } from './messages.js';

const stages = ['delivery', 'embedding', 'scoring'] as const;
type Pipeline = Message['pipeline'];

/** How far a message is on its way: four marks, and in words the last stage that it has reached. */
export function Stages({ pipeline }: { readonly pipeline: Pipeline }) {
  const words = useMessages(chatMessages);
  const names = words.stages;
  const done = stages.filter((stage) => pipeline[stage] === 'done');
  const failed = stages.find((stage) => pipeline[stage] === 'failed');
  const last = done.at(-1);
  const shown = failed === undefined ? (last === undefined ? names.sent : names[last]) : words.stageFailed(names[failed]);
  const whole = [names.sent, ...stages.map((stage) => sentence(stage, pipeline, words))].join(', ');
  return (
    <span className={s['stages']} title={whole} data-failed={failed !== undefined || undefined}>
      <span className={s['marks']} aria-hidden>
        <i data-state="done" />
        {stages.map((stage) => (
          <i key={stage} data-state={pipeline[stage]} />
        ))}
      </span>
      {shown}
    </span>
  );
}

function sentence(stage: (typeof stages)[number], pipeline: Pipeline, words: ChatWords): string {
  const name = words.stages[stage];
  switch (pipeline[stage]) {
    case 'done':
      return name;
    case 'pending':
      return words.stageLater(name);
    case 'failed':
      return words.stageFailed(name);
    case 'skipped':
      return words.stageSkipped(name);
  }
}
