/** CPU time that this thread has used so far, in milliseconds. Unlike the time on a clock it does not grow while other processes have the core. */
export const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};

/** CPU time that `work` uses on this thread, in milliseconds. */
export const cpuMsOf = async (work: () => unknown): Promise<number> => {
  const before = cpuMs();
  await work();
  return cpuMs() - before;
};
