/** Milliseconds of the machine's monotonic clock, the same one in every process. */
export const machineMs = (): number => Number(process.hrtime.bigint()) / 1e6;
