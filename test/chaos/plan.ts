import { pick, seededRandom } from '#lib/testing/random';

/** What a plan has to know of a fault. */
interface Plannable {
  readonly target: string;
  readonly holdMs: number;
}

/** One to three faults that overlap. Times in milliseconds. */
export interface Step<Fault> {
  /** In the order in which they begin, each at a target of its own. */
  readonly faults: readonly Fault[];
  /** After each begin. */
  readonly pausesMs: readonly number[];
  /** How long they last, from the last begin to the first end. */
  readonly holdMs: number;
  /** The last one ends first. */
  readonly isBackwards: boolean;
}

/** One fault, as long as it says itself. */
export const stepOf = <Fault extends Plannable>(fault: Fault): Step<Fault> => ({
  faults: [fault],
  pausesMs: [0],
  holdMs: fault.holdMs,
  isBackwards: false,
});

/** How often so many faults come together. */
const SHARES = { one: 0.3, two: 0.5 } as const; // else three
const LONGEST_PAUSE_MS = 1_000;
/** A fault lasts between half as long as it says itself and half as long again. */
const LEAST_HOLD = 0.5;

/**
 * Steps without an end, the same ones for the same seed and faults: nothing else draws from its random numbers, so that neither the load nor the time
 * that a recovery takes changes what comes next.
 * @param most faults that come together.
 */
export function* randomSteps<Fault extends Plannable>(
  seed: number,
  faults: readonly Fault[],
  { least = 1, most = 3 } = {},
): Generator<Step<Fault>, never> {
  const random = seededRandom(seed);
  let last: Fault | undefined;
  for (;;) {
    const draw = random();
    const wanted = Math.min(most, Math.max(least, draw < SHARES.one ? 1 : draw < SHARES.one + SHARES.two ? 2 : 3));
    const chosen: Fault[] = [];
    while (chosen.length < wanted) {
      const targets = new Set(chosen.map(({ target }) => target));
      const left = faults.filter((fault) => fault !== last && !targets.has(fault.target));
      if (left.length === 0) break;
      chosen.push(pick(random, left));
    }
    last = chosen[0];
    yield {
      faults: chosen,
      pausesMs: chosen.map(() => (chosen.length === 1 ? 0 : Math.round(random() * LONGEST_PAUSE_MS))),
      holdMs: Math.round(Math.max(...chosen.map(({ holdMs }) => holdMs)) * (LEAST_HOLD + random())),
      isBackwards: random() < 0.5,
    };
  }
}
