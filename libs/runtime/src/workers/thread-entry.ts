// Tests run the sources: there a thread loads TypeScript, whose imports name the files that a build would make.
const loadSources = `import { registerHooks } from 'node:module';
registerHooks({ resolve: (name, context, next) =>
  next(context.parentURL?.endsWith('.ts') && name.startsWith('.') ? name.replace(/\\.js$/, '.ts') : name, context) });`;
const sourceArguments = ['--conditions=source', '--import', `data:text/javascript,${encodeURIComponent(loadSources)}`];

/** What a pool of threads needs to know of its entry. */
export interface ThreadEntry {
  /** URL of the file. */
  readonly filename: string;
  /** Arguments of Node that load it; none for a built file. */
  readonly execArgv?: string[];
}

/**
 * The entry of a worker thread, built or as source.
 * @param name the file as it is after a build, `./x-worker.js`, relative to `from`: the `import.meta.url` of the file that starts the thread. All that
 * the entry imports must be TypeScript whose types can be stripped: no parameter properties, no enums.
 */
export const threadEntry = (name: `./${string}.js`, from: string): ThreadEntry => {
  const { href } = new URL(name, from);
  return from.endsWith('.ts') ? { filename: href.replace(/\.js$/, '.ts'), execArgv: sourceArguments } : { filename: href };
};
