import { lineChart } from '../chart.js';
import type { LiveFigures } from './live.js';
import type { LiveTargetName } from './live-target.js';

const NAMES: readonly LiveTargetName[] = ['parley', 'socket.io', 'stock Nest', 'bare ws'];
const KIB = 1_024;

const latencyOf = ({ latencies }: LiveFigures, target: LiveTargetName, members: number) =>
  latencies.find((figure) => figure.target === target && figure.members === members);
const throughputOf = ({ throughputs }: LiveFigures, target: LiveTargetName) => throughputs.find((figure) => figure.target === target);

/** Rows of the table of targets: figure, target, measured, whether it is reached. */
export const liveTargets = (figures: LiveFigures): [string, string, string, boolean][] => {
  const rows: [string, string, string, boolean][] = [];
  const hundred = latencyOf(figures, 'parley', 100);
  const thousand = latencyOf(figures, 'parley', 1_000);
  if (hundred !== undefined) {
    const { p50Ms, p95Ms, offeredPerSecond } = hundred;
    const what = `ACK to the last of 100 members' sockets at ${offeredPerSecond}/s`;
    rows.push([`${what}, P50`, '<= 15 ms', `${p50Ms} ms`, p50Ms <= 15]);
    rows.push([`${what}, P95`, '<= 50 ms', `${p95Ms} ms`, p95Ms <= 50]);
  }
  if (thousand !== undefined) {
    const { p95Ms, offeredPerSecond } = thousand;
    rows.push([`ACK to the last of 1,000 members' sockets at ${offeredPerSecond}/s, P95`, '<= 200 ms', `${p95Ms} ms`, p95Ms <= 200]);
  }
  const [own, bare] = [throughputOf(figures, 'parley'), throughputOf(figures, 'bare ws')];
  if (own !== undefined && bare !== undefined) {
    const share = own.framesPerSecond / bare.framesPerSecond;
    rows.push(['Frames/s out of one process / bare ws', '>= 0.7', share.toFixed(2), share >= 0.7]);
  }
  for (const { target, sockets, bytesPerSocket } of figures.memories) {
    if (target !== 'parley') continue;
    const kib = bytesPerSocket / KIB;
    rows.push([`Resident memory per idle socket at ${sockets} sockets`, '<= 25 KiB', `${kib.toFixed(1)} KiB`, kib <= 25]);
  }
  const { storm } = figures;
  rows.push([
    `Resume storm of ${storm.clients} clients, P99`,
    '< 5 s',
    `${(storm.whole.p99 / 1_000).toFixed(1)} s`,
    storm.whole.p99 < 5_000,
  ]);
  const lost = figures.losses.filter(({ target }) => target === 'parley').reduce((sum, { missing }) => sum + missing, storm.missing);
  rows.push(['Deliveries lost when a node or Redis dies', '0', String(lost), lost === 0]);
  return rows;
};

const ratio = (one: number | undefined, other: number | undefined): string =>
  one === undefined || !other ? '-' : (one / other).toFixed(2);

/** The section on live delivery of the report. */
export const renderLive = (figures: LiveFigures): string => {
  const { latencies, stages, throughputs, memories, storm, losses } = figures;
  return `
## Live delivery

Commit ${figures.commit}, ${figures.startedAt}, ${figures.seconds} s. Beside Parley, on the same Redis and with the same members and messages: **socket.io** with its Redis adapter and the
**stock Nest** WebSocket gateway with Redis pub/sub (one channel, a loop over the members that waits for each send), two processes each like Parley's realtime;
**bare ws**, one process that stores and checks nothing, is the floor. Peers store each message with one \`INSERT\`, answer, then send. One process generates all sockets; its share of a core is in the tables.

### From the sender's answer to the last member's socket

| members | target | P50 ms | P95 ms | P99 ms | first member P50 ms | / socket.io P95 | / stock Nest P95 | missing | load generator |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${latencies
  .toSorted((one, other) => one.members - other.members)
  .map(({ members, target, p50Ms, p95Ms, p99Ms, firstP50Ms, missing, generatorShare }) => {
    const beside = (name: LiveTargetName) => ratio(p95Ms, latencyOf(figures, name, members)?.p95Ms);
    return `| ${[members, target, p50Ms, p95Ms, p99Ms, firstP50Ms, beside('socket.io'), beside('stock Nest'), missing, percent(generatorShare)].join(' | ')} |`;
  })
  .join('\n')}

${latencies[0]?.offeredPerSecond ?? 0} messages/s offered, vectors made beside them. On its way a message of Parley was seen, in milliseconds after the answer (negative: before it):

| | P50 | P95 |
| --- | --- | --- |
${stages.map(({ stage, p50Ms, p95Ms }) => `| ${stage} | ${p50Ms} | ${p95Ms} |`).join('\n')}

![Time to the last member](live-latency.svg)

### Frames out of one process

${throughputs[0]?.messages ?? 0} messages sent as fast as they are acknowledged to ${throughputs[0]?.members ?? 0} members on one process, which shares the two cores with the load generator and everything before it.

| target | frames/s | / bare ws | µs of CPU per frame | missing | load generator |
| --- | --- | --- | --- | --- | --- |
${throughputs
  .map(
    ({ target, framesPerSecond, cpuMicrosPerFrame, missing, generatorShare }) =>
      `| ${[target, framesPerSecond, ratio(framesPerSecond, throughputOf(figures, 'bare ws')?.framesPerSecond), cpuMicrosPerFrame, missing, percent(generatorShare)].join(' | ')} |`,
  )
  .join('\n')}

### Memory of idle sockets

| target | sockets | KiB per socket | MiB resident | empty MiB |
| --- | --- | --- | --- | --- |
${memories
  .map(
    ({ target, sockets, bytesPerSocket, residentMiB, emptyMiB }) =>
      `| ${[target, sockets, (bytesPerSocket / KIB).toFixed(1), residentMiB, emptyMiB].join(' | ')} |`,
  )
  .join('\n')}

### Resume storm

${storm.clients} clients of a killed process come to the other one at once, each ${storm.behind} messages behind: \`resumed\` after P50 ${storm.resumed.p50} ms, P95 ${storm.resumed.p95} ms, P99 ${storm.resumed.p99} ms;
every message there after P50 ${storm.whole.p50} ms, P95 ${storm.whole.p95} ms, P99 ${storm.whole.p99} ms. Missing ${storm.missing}, twice ${storm.duplicated}, out of order ${storm.outOfOrder}; ${storm.triesFailed} tries failed.

### What is lost when something dies

A node, or Redis, dies two seconds into a steady stream to members on both nodes; clients come back within half a second. Counted on the wire, before any rule of a client.

| fault | target | acknowledged | members | deliveries missing | members with gaps | twice | out of order |
| --- | --- | --- | --- | --- | --- | --- | --- |
${losses
  .toSorted((one, other) => one.fault.localeCompare(other.fault))
  .map(
    ({ fault, target, acknowledged, members, missing, membersWithGaps, duplicated, outOfOrder }) =>
      `| ${[fault, target, acknowledged, members, missing, membersWithGaps, duplicated, outOfOrder].join(' | ')} |`,
  )
  .join('\n')}
`;
};

const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** The charts of live delivery, by file name. */
export const liveCharts = ({ latencies, memories }: LiveFigures): Record<string, string> => ({
  'live-latency.svg': lineChart({
    title: 'From the answer to the last member, P95',
    xLabel: 'members',
    yLabel: 'ms',
    logX: true,
    series: NAMES.map((name) => ({
      name,
      points: latencies.filter(({ target }) => target === name).map(({ members, p95Ms }) => [members, p95Ms] as const),
    })),
  }),
  'live-memory.svg': lineChart({
    title: 'Resident memory of the process that holds the sockets',
    xLabel: 'idle sockets',
    yLabel: 'MiB',
    series: NAMES.map((name) => ({
      name,
      points: memories
        .filter(({ target }) => target === name)
        .flatMap(({ sockets, residentMiB, emptyMiB }, i) => [
          ...(i === 0 ? [[0, emptyMiB] as const] : []),
          [sockets, residentMiB] as const,
        ]),
    })),
  }),
});
