import { spawn } from 'node:child_process';
import { descendantsOf, identify, isRunning, type ProcessIdentity, signal } from '#lib/devstack/process/process-identity';

/**
 * Stops a process and all below it without ending them (SIGSTOP), as a server looks that hangs, until `thaw`. Processes are known by pid and
 * time of start, never by name. They go on in any case: when this process ends by itself or by a signal, and, through a small watcher, also
 * when it is killed.
 */
export class Freeze {
  private readonly frozen: readonly ProcessIdentity[];
  private readonly stopWatching: () => void;
  private isOver = false;

  constructor(root: ProcessIdentity) {
    const below = descendantsOf(root.pid).map(identify);
    this.frozen = [root, ...below.filter((each) => each !== undefined)].filter(isRunning);
    this.stopWatching = this.watch();
    process.once('exit', this.thaw);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, this.leave);
    for (const { pid } of this.frozen) signal(pid, 'SIGSTOP');
  }

  /** Lets them go on. Safe to call more than once. */
  readonly thaw = (): void => {
    if (this.isOver) return;
    this.isOver = true;
    // Children first, so that none finds its parent asleep.
    for (const each of this.frozen.toReversed()) if (isRunning(each)) signal(each.pid, 'SIGCONT');
    this.stopWatching();
    process.off('exit', this.thaw);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, this.leave);
  };

  private readonly leave = (name: NodeJS.Signals): void => {
    this.thaw();
    process.exit(name === 'SIGINT' ? 130 : 143);
  };

  /** A shell that wakes them up when this process is gone; nothing else can, after SIGKILL. */
  private watch(): () => void {
    const pids = this.frozen.map(({ pid }) => pid).join(' ');
    const script = `while kill -0 ${process.pid} 2>/dev/null; do sleep 1; done; kill -CONT ${pids} 2>/dev/null`;
    const watcher = spawn('sh', ['-c', script], { detached: true, stdio: 'ignore' });
    watcher.on('error', () => undefined);
    watcher.unref();
    return () => void watcher.kill();
  }
}
