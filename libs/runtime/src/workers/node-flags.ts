/**
 * The heap of the gateway, of the process that is a gateway among others, and of ops, which reads the metrics of all processes every five seconds.
 * Left to itself V8 takes 128 MiB for short-lived objects alone and lets the rest grow to four times what is in use,
 * because it sees a machine with a lot of memory. With 16 MiB semi-spaces the young generation has 32 MiB and is collected more often, which is
 * the price; the old generation grows by at most 40 % between two collections. Neither limits what a burst may take: `--max-old-space-size`
 * would bring the same and make a process die of a few hundred large bodies. Figures: docs/performance/memory.md. `docker/run` says the same.
 */
const SMALL_HEAP = ['--max-semi-space-size=16', '--heap-growing-percent=40'];
const HEAP_IS_SMALL: ReadonlySet<string> = new Set(['gateway', 'ops', 'standalone']);

/**
 * Stack traces lead to our sources. `--enable-source-maps` would also keep the maps of every package in the heap, 9 MiB in the gateway, for lines
 * that lead into packages.
 */
const SOURCE_MAPS = [
  '--import',
  'data:text/javascript,import{setSourceMapsSupport}from"node:module";setSourceMapsSupport(true,{nodeModules:false})',
];

/** Arguments for Node, before the entry file, with which a process of `app` is started. */
export const nodeFlags = (app: string): string[] => [...SOURCE_MAPS, ...(HEAP_IS_SMALL.has(app) ? SMALL_HEAP : [])];
