/**
 * How long to wait before try `failures + 1`, in milliseconds: anything between 0 and min(capMs, baseMs * 2^(failures - 1)), all
 * equally likely ("full jitter"), so that many who lost the same thing at once do not all come back at once.
 */
export const fullJitter = (failures: number, { baseMs, capMs }: { baseMs: number; capMs: number }, random = Math.random): number =>
  random() * Math.min(capMs, baseMs * 2 ** Math.max(0, failures - 1));
