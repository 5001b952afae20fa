import { readFileSync } from 'node:fs';

/** As much of test/bench/results/latest.json as capacity is derived from. */
interface BenchFigures {
  readonly commit: string;
  readonly acks: readonly { readonly target: string; readonly connections: number; readonly perSecond: number }[];
  readonly pipeline: { readonly offeredPerSecond: number };
  readonly vectors: { readonly parleyPerSecond: number; readonly heldBefore: number; readonly written: number };
  readonly costs: readonly {
    readonly target: string;
    readonly connections: number;
    readonly processes: readonly { readonly name: string; readonly cpuMicros: number }[];
  }[];
  readonly live: {
    readonly commit: string;
    readonly throughputs: readonly { readonly target: string; readonly framesPerSecond: number; readonly cpuMicrosPerFrame: number }[];
    readonly memories: readonly {
      readonly target: string;
      readonly sockets: number;
      readonly bytesPerSocket: number;
      readonly emptyMiB: number;
    }[];
  };
}

const bench = JSON.parse(readFileSync('test/bench/results/latest.json', 'utf8')) as BenchFigures;

const costOf = (process: string): number =>
  bench.costs.find(({ target, connections }) => target === 'parley' && connections === 100)?.processes.find(({ name }) => name === process)
    ?.cpuMicros ?? Number.NaN;
const bare = bench.live.throughputs.find(({ target }) => target === 'bare ws');
const frames = bench.live.throughputs.find(({ target }) => target === 'parley');
const memory = bench.live.memories.find(({ target, sockets }) => target === 'parley' && sockets === 10_000);

/** What the published run measured; microseconds of CPU, bytes. */
export const measured = {
  commit: bench.commit,
  liveCommit: bench.live.commit,
  acksPerSecond: bench.acks.find(({ target, connections }) => target === 'parley' && connections === 100)?.perSecond ?? Number.NaN,
  pipelinePerSecond: bench.pipeline.offeredPerSecond,
  /** At 100 connections, where many messages share a commit. */
  gatewayFullBatches: costOf('gateway'),
  postgresAck: costOf('Postgres'),
  rabbitmqAck: costOf('RabbitMQ'),
  vectorsPerSecond: bench.vectors.parleyPerSecond,
  vectorsHeld: bench.vectors.heldBefore + bench.vectors.written,
  framesPerSecond: frames?.framesPerSecond ?? Number.NaN,
  microsPerFrame: frames?.cpuMicrosPerFrame ?? Number.NaN,
  /** One write per frame, as messages that come one at a time cost. */
  microsPerWrite: bare?.cpuMicrosPerFrame ?? Number.NaN,
  bytesPerSocket: memory?.bytesPerSocket ?? Number.NaN,
  emptyRealtimeMiB: memory?.emptyMiB ?? Number.NaN,
} as const;

/** Upper ends of what docs/performance/pipeline.md measured at 500 messages/s with everything running: milliseconds of CPU per second. */
export const pipelineMs = { gateway: 490, postgres: 290, rabbitmq: 190, redis: 30, embedding: 227, chroma: 486 } as const;

/** docs/performance/live.md: CPU of all processes, and of realtime, while 2,000 clients resumed. Seconds. */
export const storm = { clients: 2_000, all: 6, realtime: 1.3 } as const;

/** docs/performance/search.md, 100,000 messages, quiet reader, after: milliseconds of CPU of one hybrid search. */
export const searchMs = { gateway: 17, chroma: 12, postgres: 15 } as const;

/** docs/performance/long-texts.md, after: WAL of an ordinary message's commit, bytes. */
export const walBytes = 1_304;

/** Largest stores that the published run measured: messages under acknowledgements, and under hybrid searches. */
export const largest = { acknowledged: 1_500_000, searched: 101_795 } as const;

/** Tables that keep a row for each message, or several. */
const PER_MESSAGE = ['messages', 'message_texts', 'message_signals', 'message_chunks', 'message_deliveries'];

/** What a message takes in Postgres, tables and indexes, as the run of docs/operate/dashboards/README.md measured it. */
export const storedBytes = readFileSync('docs/operate/dashboards/README.md', 'utf8')
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter(([, table = '']) => PER_MESSAGE.includes(table.replaceAll('`', '')))
  .reduce((sum, cells) => sum + Number(cells[4]), 0);
