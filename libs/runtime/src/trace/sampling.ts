/** Random digits at the end of a trace id (W3C level 2), and how many values they have. */
const DIGITS = 12;
const VALUES = 16 ** DIGITS;

/**
 * Whether a new trace is sampled at this ratio, 0 to 1. Decided by its id alone, as OpenTelemetry's own samplers do, so that every process that
 * decides would decide alike; asked once, at the edge: all others follow the flag of the trace.
 */
export const isSampledBy = (ratio: number, traceId: string): boolean => Number.parseInt(traceId.slice(-DIGITS), 16) < ratio * VALUES;
