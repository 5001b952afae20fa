import { type SettingName, redactedConfig, settings } from '#lib/runtime/config/config';
import { operatorConfig, operatorEnvironment } from '../operator/operator-config.js';
import { printJson } from '../output/print-json.js';
import { tableOf } from '#lib/devstack/terminal/table';

/** `parley config`: every setting with its value and where it comes from; secrets are hidden. */
export async function showConfig({ json = false }: { json?: boolean }): Promise<void> {
  const config = redactedConfig(await operatorConfig());
  const { sourceOf } = await operatorEnvironment();
  const rows = (Object.keys(settings) as SettingName[]).map((name) => ({ name, value: config[name] ?? null, from: sourceOf(name) }));
  if (json) return printJson(Object.fromEntries(rows.map(({ name, value, from }) => [name, { value, from }])));
  console.log(
    tableOf(
      ['setting', 'value', 'from'],
      rows.map(({ name, value, from }) => [name, typeof value === 'string' ? value : value === null ? '-' : JSON.stringify(value), from]),
    ),
  );
}
