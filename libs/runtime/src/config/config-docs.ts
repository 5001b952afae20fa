import { z } from 'zod';
import { type SettingName, settings } from './config.js';

interface Row {
  readonly name: string;
  readonly doc: string;
  readonly isSecret: boolean;
  readonly isRequired: boolean;
  /** Empty when there is no default. */
  readonly defaultValue: string;
  /** Range or choices, in words; empty when anything goes. */
  readonly values: string;
}

/** What `docs/reference/configuration.md` and `.env.example` show of each setting, in the order of the table in config.ts. */
const rows = (): Row[] =>
  (Object.keys(settings) as SettingName[]).map((name) => {
    const entry = settings[name];
    const unset = entry.schema.safeParse(undefined);
    return {
      name,
      doc: entry.doc,
      isSecret: 'secret' in entry,
      isRequired: !unset.success,
      defaultValue: unset.success && unset.data !== undefined ? String(unset.data) : '',
      values: valuesOf(entry.schema),
    };
  });

const valuesOf = (schema: z.ZodType): string => {
  const { type, enum: choices, minimum, maximum } = z.toJSONSchema(schema, { unrepresentable: 'any' });
  if (choices !== undefined) return choices.join(', ');
  if (type !== 'integer' && type !== 'number') return '';
  return `${minimum?.toLocaleString('en') ?? ''} to ${maximum?.toLocaleString('en') ?? ''}`;
};

/** `.env.example`: every setting with its default, commented out unless a process cannot start without it. */
export const renderEnvExample = (): string =>
  [
    '# Every setting of Parley, printed from libs/runtime/src/config/config.ts by `npm run docs`. `npm start` needs none of them.',
    '# Secrets may also be given as NAME_FILE with the path of a file.',
    ...rows().map(({ name, doc, isRequired, defaultValue, values }) =>
      ['', `# ${doc}${values === '' ? '' : ` [${values}]`}`, `${isRequired ? '' : '# '}${name}=${defaultValue}`].join('\n'),
    ),
    '',
  ].join('\n');

/** `docs/reference/configuration.md`: the same as a table. */
export const renderConfigurationDoc = (): string => `# Configuration

Printed from \`libs/runtime/src/config/config.ts\` by \`npm run docs\`; a test keeps it true. Environment variables only, read once at start: every problem is
listed at once and the process ends with exit code 78. \`npm run parley -- config\` shows what a process would use, secrets hidden.
\`npm start\` needs none of them, and checks them before it starts anything. An empty variable counts as not set.

A test finds a setting that nothing reads. What only \`npm start\` and the tests read: \`PARLEY_HOME\` (\`.parley\`), \`PARLEY_PORT_BASE\` (8080) and \`PARLEY_<NAME>_PORT\` for one port,
such as \`PARLEY_GATEWAY_PORT\`; [troubleshooting](../operate/troubleshooting.md) has the ports.

| variable | default | values | meaning, and when to change it |
| --- | --- | --- | --- |
${rows()
  .map(
    ({ name, doc, isSecret, isRequired, defaultValue, values }) =>
      `| \`${name}\`${isSecret ? ` or \`${name}_FILE\`` : ''} | ${isRequired ? '**required**' : defaultValue === '' ? '-' : `\`${defaultValue}\``} | ${values === '' ? '-' : values} | ${doc} |`,
  )
  .join('\n')}
`;
