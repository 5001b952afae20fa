import type { FlowEdge, FlowNode } from '#lib/contracts/admin-live';

type Placed = Pick<FlowNode, 'id' | 'kind' | 'column' | 'queue'>;
type Way = Pick<FlowEdge, 'from' | 'to' | 'kind'>;

/** A rectangle in the drawing, in pixels from its upper left corner. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A way as it is drawn. */
export interface Curve {
  readonly from: string;
  readonly to: string;
  /** The `d` of a path. */
  readonly d: string;
  /** `near`: to a neighbouring column; `far`: under all boxes, because it skips columns or leads back. */
  readonly course: 'near' | 'far';
}

/** Where everything stands. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  /** By node id. */
  readonly boxes: ReadonlyMap<string, Box>;
  /** Not drawn: ways to retry and dead-letter queues, which touch their queue, and calls of stores from far away. */
  readonly curves: readonly Curve[];
  /** A head for each column. */
  readonly columns: readonly { readonly kind: FlowNode['kind']; readonly x: number; readonly width: number }[];
}

const MARGIN = 4;
const TOP = 32;
const ROW_GAP = 10;
const GAP = { least: 28, most: 88 };
const SATELLITE = { width: 56, gap: 4 };
/** Between two ways in the lane under all boxes. */
const LANE = 9;

const sizes: Readonly<Record<FlowNode['kind'], { width: number; height: number }>> = {
  client: { width: 68, height: 46 },
  app: { width: 120, height: 84 },
  outbox: { width: 118, height: 84 },
  exchange: { width: 116, height: 84 },
  queue: { width: 228, height: 48 },
  retry: { width: SATELLITE.width, height: 48 },
  'dead-letters': { width: SATELLITE.width, height: 48 },
  store: { width: 130, height: 60 },
};

const isSatellite = ({ kind }: Pick<Placed, 'kind'>): boolean => kind === 'retry' || kind === 'dead-letters';

/**
 * Places nodes in their columns from left to right, with the retry and dead-letter queue of a queue beside it. Queues of one app stand together,
 * and what has neighbours stands at the middle of them, so that few ways cross. The same nodes and ways give the same drawing.
 * @param width to fill; what needs more becomes wider.
 */
export function layOut(nodes: readonly Placed[], ways: readonly Way[], width: number): Layout {
  const boxes = new Map<string, Box>();
  const columns = columnsOf(nodes, width);
  const height = Math.max(0, ...columns.map(({ members }) => heightOf(members)));
  const stack = columns.findIndex(({ kind }) => kind === 'queue');
  const inOrder = [...columns.slice(Math.max(0, stack)), ...columns.slice(0, Math.max(0, stack)).toReversed()];
  for (const { members, x, kind } of inOrder) {
    const sorted = kind === 'queue' ? byConsumer(members, nodes, ways) : members;
    placeColumn(sorted, { x, height, ways, boxes, isStack: kind === 'queue' });
    for (const queue of members) placeSatellites(queue, nodes, boxes);
  }
  const bottom = TOP + height;
  const far = farWays(nodes, ways, columns);
  const curves = ways.flatMap((way): Curve[] => {
    const [from, to] = [boxes.get(way.from), boxes.get(way.to)];
    if (from === undefined || to === undefined || touchesSatellite(way, nodes) || isFarCall(way, columns)) return [];
    const lane = far.indexOf(way);
    if (lane !== -1) return [{ ...way, course: 'far', d: under(from, to, bottom + 14 + lane * LANE) }];
    const column = columns.find(({ members }) => members.some(({ id }) => id === way.from));
    return [{ ...way, course: 'near', d: across(from, to, column === undefined ? 0 : column.x + column.width) }];
  });
  const last = columns.at(-1);
  return {
    width: Math.max(width, last === undefined ? 0 : last.x + last.width + MARGIN),
    height: bottom + (far.length === 0 ? 0 : 14 + far.length * LANE) + MARGIN,
    boxes,
    curves: curves.map(({ from, to, d, course }) => ({ from, to, d, course })),
    columns: columns.map(({ kind, x, width: own }) => ({ kind, x, width: own })),
  };
}

interface Column {
  readonly kind: FlowNode['kind'];
  readonly members: readonly Placed[];
  readonly x: number;
  readonly width: number;
}

function columnsOf(nodes: readonly Placed[], width: number): Column[] {
  const standing = nodes.filter((node) => !isSatellite(node));
  const groups = [...Map.groupBy(standing, ({ column }) => column)].toSorted(([one], [other]) => one - other).map(([, members]) => members);
  const widths = groups.map((members) => {
    const widest = Math.max(...members.map(({ kind }) => sizes[kind].width));
    const satellites = members.some(({ kind }) => kind === 'queue') ? 2 * (SATELLITE.width + SATELLITE.gap) : 0;
    return widest + satellites;
  });
  const room = (width - 2 * MARGIN - widths.reduce((sum, each) => sum + each, 0)) / Math.max(1, groups.length - 1);
  const gap = Math.round(Math.min(GAP.most, Math.max(GAP.least, room)));
  let x = MARGIN;
  return groups.map((members, i) => {
    const column = { kind: members[0]?.kind ?? 'app', members, x, width: widths[i] ?? 0 };
    x += column.width + gap;
    return column;
  });
}

const heightOf = (members: readonly Placed[]): number => members.reduce((sum, { kind }) => sum + sizes[kind].height + ROW_GAP, 0) - ROW_GAP;

/** Queues of one consumer stand together, in the order in which their consumers come first. */
function byConsumer(queues: readonly Placed[], nodes: readonly Placed[], ways: readonly Way[]): Placed[] {
  const apps = new Set(nodes.filter(({ kind }) => kind === 'app').map(({ id }) => id));
  const consumerOf = (id: string) => ways.find(({ from, to }) => from === id && apps.has(to))?.to ?? '';
  const order = [...new Set(queues.map(({ id }) => consumerOf(id)))];
  return queues.toSorted((one, other) => order.indexOf(consumerOf(one.id)) - order.indexOf(consumerOf(other.id)));
}

function placeColumn(
  members: readonly Placed[],
  { x, height, ways, boxes, isStack }: { x: number; height: number; ways: readonly Way[]; boxes: Map<string, Box>; isStack: boolean },
): void {
  const wanted = members.map((node, i) => {
    const size = sizes[node.kind];
    const middle = isStack ? i : (middleOfNeighbours(node.id, ways, boxes) ?? TOP + height / 2);
    return { node, size, top: isStack ? TOP : middle - size.height / 2, middle };
  });
  const sorted = wanted.toSorted((one, other) => one.middle - other.middle);
  const tops: number[] = [];
  sorted.forEach(({ top }, i) => {
    const above = i === 0 ? TOP : (tops[i - 1] ?? 0) + (sorted[i - 1]?.size.height ?? 0) + ROW_GAP;
    tops.push(Math.max(top, above));
  });
  // What the neighbours above have pushed out below moves up again.
  let floor = TOP + height;
  for (let i = sorted.length - 1; i >= 0; i -= 1) {
    const own = sorted[i];
    if (own === undefined) continue;
    const top = Math.min(tops[i] ?? TOP, floor - own.size.height);
    boxes.set(own.node.id, { x, y: Math.round(top), ...own.size });
    floor = top - ROW_GAP;
  }
}

/** Right of its queue, retries first. */
function placeSatellites(queue: Placed, nodes: readonly Placed[], boxes: Map<string, Box>): void {
  const box = boxes.get(queue.id);
  if (box === undefined || queue.kind !== 'queue' || queue.queue === undefined) return;
  const own = nodes.filter((node) => isSatellite(node) && node.queue === queue.queue);
  for (const { id, kind } of own) {
    const slot = kind === 'retry' ? 0 : 1;
    const x = box.x + box.width + SATELLITE.gap + slot * (SATELLITE.width + SATELLITE.gap);
    boxes.set(id, { x, y: box.y, ...sizes[kind] });
  }
}

/** The middle of what is placed already and has a way to or from `id`; undefined for what has none. */
function middleOfNeighbours(id: string, ways: readonly Way[], boxes: ReadonlyMap<string, Box>): number | undefined {
  const middles = ways.flatMap(({ from, to }) => {
    const box = from === id ? boxes.get(to) : to === id ? boxes.get(from) : undefined;
    return box === undefined ? [] : [box.y + box.height / 2];
  });
  return middles.length === 0 ? undefined : middles.reduce((sum, y) => sum + y, 0) / middles.length;
}

const touchesSatellite = ({ from, to }: Way, nodes: readonly Placed[]): boolean =>
  nodes.some((node) => (node.id === from || node.id === to) && isSatellite(node));

/** Ways that would lead through the boxes of other columns, or back. */
const farWays = (nodes: readonly Placed[], ways: readonly Way[], columns: readonly Column[]): Way[] =>
  ways.filter((way) => !touchesSatellite(way, nodes) && isFar(way, columns) && !isFarCall(way, columns));

function isFar(way: Way, columns: readonly Column[]): boolean {
  const columnOf = (id: string) => columns.findIndex(({ members }) => members.some((node) => node.id === id));
  const [from, to] = [columnOf(way.from), columnOf(way.to)];
  return from !== -1 && to !== -1 && to - from !== 1;
}

const isFarCall = (way: Way, columns: readonly Column[]): boolean => way.kind === 'call' && isFar(way, columns);

/** Where an arrow key leads. */
export type Direction = 'left' | 'right' | 'up' | 'down';

/** The nearest node in a direction, straight ahead before aside; undefined at the edge. */
export function neighbour(boxes: ReadonlyMap<string, Box>, from: string, direction: Direction): string | undefined {
  const own = boxes.get(from);
  if (own === undefined) return undefined;
  const isSideways = direction === 'left' || direction === 'right';
  const sign = direction === 'right' || direction === 'down' ? 1 : -1;
  const middle = ({ x, y, width, height }: Box) => ({ x: x + width / 2, y: y + height / 2 });
  const here = middle(own);
  const found = [...boxes].flatMap(([id, box]) => {
    const there = middle(box);
    const ahead = sign * (isSideways ? there.x - here.x : there.y - here.y);
    const aside = Math.abs(isSideways ? there.y - here.y : there.x - here.x);
    // Up and down stay in the column.
    return ahead <= 1 || (!isSideways && aside > own.width / 2) ? [] : [{ id, cost: ahead + 2 * aside }];
  });
  return found.toSorted((one, other) => one.cost - other.cost)[0]?.id;
}

/** Straight to the end of the column, behind what stands beside the box, then in a curve. */
function across(from: Box, to: Box, columnEnd: number): string {
  const [x1, y1, x2, y2] = [from.x + from.width, from.y + from.height / 2, to.x, to.y + to.height / 2];
  const bend = (x2 - columnEnd) / 2;
  return `M${x1} ${y1}L${columnEnd} ${y1}C${columnEnd + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

/** Down beside the box, along the lane, and up beside the other one. */
function under(from: Box, to: Box, lane: number): string {
  const [x1, y1] = [from.x + from.width, from.y + from.height / 2];
  const [x2, y2] = [to.x, to.y + to.height / 2];
  const [out, into] = [x1 + 12, x2 - 12];
  const turn = into > out ? 8 : -8;
  return [
    `M${x1} ${y1}C${out} ${y1} ${out} ${y1} ${out} ${y1 + 12}`,
    `L${out} ${lane - 8}Q${out} ${lane} ${out + turn} ${lane}`,
    `L${into - turn} ${lane}Q${into} ${lane} ${into} ${lane - 8}`,
    `L${into} ${y2 + 12}C${into} ${y2} ${into} ${y2} ${x2} ${y2}`,
  ].join('');
}
