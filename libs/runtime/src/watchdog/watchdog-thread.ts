import { writeSync } from 'node:fs';
import { type Debugger, Session } from 'node:inspector';
import { workerData } from 'node:worker_threads';
import { WatchdogBoard } from './watchdog-board.js';
import { EXIT_HUNG, SIGNAL_HUNG, type WatchdogOrders } from './watchdog.js';

// The other half of watchdog.ts, in a thread of its own: it goes on when the event loop of the main thread does not.

/**
 * How long the main thread gets to show where it is: it can between two instructions of JavaScript, not inside native code. Takes 50 ms on a
 * free machine, seconds on one that is out of CPU; with 20 s of silence before it, all is over within 30 s.
 */
const STACK_WITHIN_MS = 5_000;
const END_AFTER_MS = 6_000;
/** A process that its parent started with SIGNAL_HUNG blocked goes on until then. */
const KILL_AFTER_MS = 7_000;
const FRAMES = 20;

const { memory, service, pid, hangMs, tickMs } = workerData as WatchdogOrders;
const board = new WatchdogBoard(memory);
let seen = board.beats;
let silentMs = 0;

// Counted in our own ticks, not by the clock: when the whole process was stopped, or its machine asleep, this thread did not tick either,
// and the main thread gets its full time after waking up.
const timer = setInterval(() => {
  const { beats } = board;
  if (beats !== seen) {
    seen = beats;
    silentMs = 0;
    return;
  }
  silentMs += tickMs;
  if (silentMs < hangMs) return;
  clearInterval(timer);
  endMainThread();
}, tickMs);

/**
 * Through the inspector, which reaches into a running loop: first where it is, then the end with an exit code of our own.
 * A main thread that sits in native code does not hear that; a signal ends the process then.
 *
 * The end is evaluated in the global scope and not on the frame that was met: inside Node's own functions, or in a context of `node:vm`, a frame
 * knows no `process`.
 */
function endMainThread(): void {
  const session = new Session();
  const scripts = new Map<string, string>();
  let isLogged = false;
  const logOnce = (stack: readonly string[] | null) => {
    if (!isLogged) log(stack);
    isLogged = true;
  };
  session.connectToMainThread();
  session.on('Debugger.scriptParsed', ({ params }) => scripts.set(params.scriptId, params.url));
  session.on('Debugger.paused', ({ params }) => {
    logOnce(params.callFrames.slice(0, FRAMES).map((frame) => shown(frame, scripts)));
    session.post('Runtime.evaluate', { expression: `process.reallyExit(${EXIT_HUNG})` });
    session.disconnect(); // else a process that exits waits for its debugger
  });
  session.post('Debugger.enable');
  session.post('Debugger.pause');
  setTimeout(() => logOnce(null), STACK_WITHIN_MS);
  setTimeout(() => process.kill(pid, SIGNAL_HUNG), END_AFTER_MS);
  setTimeout(() => process.kill(pid, 'SIGKILL'), KILL_AFTER_MS);
}

function shown({ functionName, location }: Debugger.CallFrame, scripts: ReadonlyMap<string, string>): string {
  return `${functionName || '(anonymous)'} ${scripts.get(location.scriptId) ?? '?'}:${location.lineNumber + 1}`;
}

/** Written as a log line, but by hand: the logger belongs to the thread that hangs. */
function log(stack: readonly string[] | null): void {
  const snapshot = board.read();
  const line = JSON.stringify({
    level: 'fatal',
    time: new Date().toISOString(),
    service,
    pid,
    silentMs,
    stack, // null = it did not answer: it sits in native code
    inHand: snapshot === '' ? null : JSON.parse(snapshot),
    message: 'the event loop hangs: ending this process',
  });
  try {
    writeSync(1, `${line}\n`);
  } catch {
    writeSync(2, `${line}\n`); // stdout is a full pipe
  }
}
