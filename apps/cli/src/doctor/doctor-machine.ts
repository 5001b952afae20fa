import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { packageInstaller } from '#lib/devstack/provisioning/debian-packages';
import { dockerAnswers } from '#lib/devstack/provisioning/docker-engine';
import { isPortFree } from '#lib/devstack/ports/free-ports';
import { isCheckout } from '#lib/devstack/installation';
import { dependencyNames, findServer } from '#lib/devstack/provisioning/programs';
import { decideSources, refuseIfMissing, urlVariables } from '#lib/devstack/provisioning/provisioning';
import { environmentProblems } from '#lib/devstack/supervisor/check-environment';
import { whyEmbedded } from '#lib/devstack/supervisor/why-embedded';
import { valueOf } from '#lib/devstack/supervisor/dependencies';
import { type Home, parleyHome } from '#lib/devstack/home/home';
import { refuseForeignHome } from '#lib/devstack/home/home-owner';
import { portOwner } from '#lib/devstack/ports/port-owner';
import { planPorts, PortProblem, portWishes } from '#lib/devstack/ports/port-plan';
import { runningStack } from '#lib/devstack/home/running-stack';
import { possibleServices, processes } from '#lib/devstack/services';
import type { Check, Finding } from './check.js';

const GB = 1_073_741_824;
/** RabbitMQ stops taking messages at 50 MB (1 GB in containers), Postgres at none at all; a first start writes 1.2 GB. */
const DISK = { fail: 1 * GB, warn: 5 * GB };
/** Four servers and three services take about 1.1 GB when nothing happens. */
const MEMORY = { fail: 0.5 * GB, warn: 1.5 * GB };
/** RabbitMQ asks for 1,024 and a busy gateway has a file for each connection. */
const OPEN_FILES = { fail: 1_024, warn: 4_096 };
const NEEDED_NODE = [24, 11] as const;

/** What can be known without any server: the machine, the environment, the home. */
export function machineChecks(env: NodeJS.ProcessEnv): Check[] {
  const home = parleyHome(env);
  return [
    { name: 'node', run: () => nodeFinding(process.versions.node) },
    { name: 'settings', run: () => settingsFinding(env) },
    { name: 'home', run: () => homeFinding(home) },
    { name: 'ports', run: () => portsFinding(env) },
    { name: 'programs', run: () => programsFinding(env) },
    { name: 'disk', run: () => diskFinding(freeBytes(home.folder)) },
    { name: 'memory', run: () => memoryFinding(process.availableMemory()) },
    { name: 'open files', run: () => openFilesFinding(existsSync(LIMITS) ? readFileSync(LIMITS, 'utf8') : '') },
  ];
}

const LIMITS = '/proc/self/limits';

/** Exported for its test, as those below. */
export function nodeFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isNew = major > NEEDED_NODE[0] || (major === NEEDED_NODE[0] && minor >= NEEDED_NODE[1]);
  if (isNew) return { level: 'ok', says: `Node ${version} on ${process.platform}-${process.arch}, ${availableParallelism()} cores` };
  return {
    level: 'fail',
    says: `Node ${version} is too old`,
    toDo: `npm ci, or a Node from ${NEEDED_NODE.join('.')} on from https://nodejs.org`,
  };
}

export function settingsFinding(env: NodeJS.ProcessEnv): Finding {
  const problems = environmentProblems(processes.services, env);
  if (problems.length > 0)
    return { level: 'fail', says: problems.join(' '), toDo: 'change these variables; docs/reference/configuration.md has all' };
  const unknown = unknownNames(env);
  if (unknown.length === 0) return { level: 'ok', says: 'every variable that is set can be used' };
  return {
    level: 'warn',
    says: `nothing reads ${unknown.join(', ')}`,
    toDo: 'a typing mistake? docs/reference/configuration.md has all names',
  };
}

/** Variables under Parley's prefix that no part of it reads. */
function unknownNames(env: NodeJS.ProcessEnv): string[] {
  const wishes = portWishes(possibleServices, {}).map(({ variable }) => variable);
  const known = new Set(['PARLEY_HOME', 'PARLEY_PORT_BASE', 'PARLEY_TEST_STACK', 'PARLEY_LONG_TESTS', ...wishes]);
  return Object.keys(env).filter((name) => name.startsWith('PARLEY_') && !known.has(name));
}

function homeFinding(home: Home): Finding {
  refuseForeignHome(home, 'start');
  return { level: 'ok', says: existsSync(home.folder) ? `${home.folder} is yours` : `${home.folder} is not there yet` };
}

async function portsFinding(env: NodeJS.ProcessEnv): Promise<Finding> {
  if ((await runningStack()) !== undefined) return { level: 'ok', says: 'in use by the Parley that runs here' };
  try {
    const wishes = portWishes(processes.services, env);
    const plan = await planPorts(wishes, { isFree: isPortFree, ownerOf: portOwner });
    const moved = wishes.filter(({ name, port }) => plan.get(name) !== port).map(({ name, port }) => `${port} (${name})`);
    if (moved.length === 0) return { level: 'ok', says: `${wishes[0]?.port ?? ''} and ${wishes.length - 1} more are free` };
    return { level: 'warn', says: `${moved.join(', ')} taken; the next free ones are used`, toDo: 'nothing, or set PARLEY_PORT_BASE' };
  } catch (error) {
    if (error instanceof PortProblem) return { level: 'fail', says: error.message };
    throw error;
  }
}

async function programsFinding(env: NodeJS.ProcessEnv): Promise<Finding> {
  if (!isCheckout || (await runningStack())?.embedded !== undefined) return { level: 'ok', says: 'the embedded mode needs no servers' };
  const reason = await whyEmbedded(env);
  if (reason !== undefined) return { level: 'ok', says: reason };
  const sources = await decideSources(dependencyNames, {
    urlOf: (name) => valueOf(env, urlVariables[name]),
    dockerAnswers,
    isInstalled: (name) => findServer(name) !== undefined,
    canInstallPackages: async () => (await packageInstaller()) !== undefined,
  });
  refuseIfMissing(sources);
  const toInstall = [...sources].filter(([, source]) => source === 'install').map(([name]) => name);
  if (toInstall.length > 0) return { level: 'warn', says: `${toInstall.join(', ')} will be installed by the next start` };
  return { level: 'ok', says: [...sources].map(([name, source]) => `${name}: ${source}`).join(', ') };
}

function freeBytes(folder: string): number {
  const there = existsSync(folder) ? folder : dirname(folder);
  if (!existsSync(there)) return freeBytes(dirname(there));
  const { bavail, bsize } = statfsSync(there);
  return bavail * bsize;
}

export function diskFinding(bytes: number): Finding {
  return byLimit(bytes, DISK, `${inGb(bytes)} free`, 'make room, or set PARLEY_HOME to a larger disk');
}

export function memoryFinding(bytes: number): Finding {
  return byLimit(bytes, MEMORY, `${inGb(bytes)} of ${inGb(totalmem())} available`, 'end other programs, or use servers that run elsewhere');
}

export function openFilesFinding(limits: string): Finding {
  const soft = /^Max open files\s+(\S+)/m.exec(limits)?.[1];
  if (soft === undefined || soft === 'unlimited') return { level: 'ok', says: soft ?? 'not known on this system' };
  return byLimit(Number(soft), OPEN_FILES, `${soft} per process`, 'ulimit -n 65536 in this shell, or LimitNOFILE= in its unit');
}

function byLimit(value: number, { fail, warn }: { readonly fail: number; readonly warn: number }, says: string, toDo: string): Finding {
  if (value >= warn) return { level: 'ok', says };
  return { level: value < fail ? 'fail' : 'warn', says: `only ${says}`, toDo };
}

function inGb(bytes: number): string {
  return `${(bytes / GB).toFixed(1)} GB`;
}
