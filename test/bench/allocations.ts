import { readFileSync } from 'node:fs';
import { eventually } from '#lib/testing/eventually';

/** Mean bytes between two samples: with the gigabyte that a run allocates some ten thousand of them, so an error of a percent. */
const SAMPLE_BYTES = 65_536;
const ANSWER_WITHIN_MS = 30_000;

interface AllocationNode {
  readonly selfSize: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children: readonly AllocationNode[];
}

/** Samples what a running Node process allocates. It must have been started with `--inspect-port=0` and write its stderr to `log`. */
export const sampleAllocations = async (pid: number, log: string): Promise<{ bytes: () => Promise<number> }> => {
  const inspector = await openInspector(pid, log);
  await inspector.ask('HeapProfiler.startSampling', {
    samplingInterval: SAMPLE_BYTES,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  return {
    bytes: async () => {
      const { profile } = (await inspector.ask('HeapProfiler.stopSampling')) as { profile: { head: AllocationNode } };
      inspector.close();
      return sumOf(profile.head);
    },
  };
};

/** Has a process collect its garbage, all of it, as often as it takes to give back what finalizers free. Its stderr must go to `log`. */
export const collectGarbage = async (pid: number, log: string): Promise<void> => {
  // After a restart the log still names the inspector of the process before.
  const inspector = await eventually(() => openInspector(pid, log));
  for (let round = 0; round < 3; round += 1) await inspector.ask('HeapProfiler.collectGarbage');
  inspector.close();
};

const sumOf = (node: AllocationNode): number => node.children.reduce((sum, child) => sum + sumOf(child), node.selfSize);

const openInspector = async (pid: number, log: string) => {
  process.kill(pid, 'SIGUSR1'); // Node's own signal for it; a second one changes nothing
  const url = await eventually(() => {
    const found = [...readFileSync(log, 'utf8').matchAll(/Debugger listening on (ws:\S+)/g)].at(-1)?.[1];
    if (found === undefined) throw new Error(`${pid} does not say where its inspector listens`);
    return found;
  });
  const socket = new WebSocket(url);
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve, { once: true });
    socket.addEventListener('error', () => reject(new Error(`no inspector at ${url}`)), { once: true });
  });
  let lastId = 0;
  const ask = (method: string, params: object = {}): Promise<unknown> =>
    new Promise((resolve, reject) => {
      lastId += 1;
      const id = lastId;
      const timer = setTimeout(() => reject(new Error(`${method} was not answered`)), ANSWER_WITHIN_MS);
      const onMessage = ({ data }: MessageEvent) => {
        const answer = JSON.parse(String(data)) as { id?: number; result?: unknown; error?: { message: string } };
        if (answer.id !== id) return;
        socket.removeEventListener('message', onMessage);
        clearTimeout(timer);
        if (answer.error === undefined) resolve(answer.result);
        else reject(new Error(`${method}: ${answer.error.message}`));
      };
      socket.addEventListener('message', onMessage);
      socket.send(JSON.stringify({ id, method, params }));
    });
  return { ask, close: () => socket.close() };
};
