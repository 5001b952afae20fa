import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram, runCommand, runOrThrow } from '../process/commands.js';
import { dropLock, takeLock } from '../process/lock-file.js';

/** One line for the person who waits; called again every few seconds while something takes long. */
export type Progress = (line: string) => void;

/** A systemd unit that an installation would enable. `from` brings it: where that package was there before, its owner's choice stays. */
export interface NewService {
  readonly unit: string;
  readonly from: string;
}

/** A Debian package that brings a server program, and what its installation would start at every boot. */
export interface ServerPackage {
  readonly name: string;
  readonly services: readonly NewService[];
}

/** Six minutes: a slow mirror, 60 MB and a small machine; apt itself retries. */
const INSTALL_TIMEOUT_MS = 360_000;
const INSTALL_LOCK = '/var/tmp/parley-install/lock';
const SERVICE_POLICY = '/usr/sbin/policy-rc.d';
const CLUSTER_SETTINGS = '/etc/postgresql-common/createcluster.conf';

/** How this machine lets us install packages, or undefined when it does not (no apt-get, or neither root nor sudo without a password). */
export async function packageInstaller(): Promise<DebianInstaller | undefined> {
  if (findProgram('apt-get') === undefined || findProgram('dpkg') === undefined) return undefined;
  if (process.getuid?.() === 0) return new DebianInstaller([]);
  if (findProgram('sudo') === undefined) return undefined;
  const sudo = await runCommand('sudo', ['-n', 'true'], { timeoutMs: 5_000 }).catch(() => undefined);
  return sudo?.code === 0 ? new DebianInstaller(['sudo', '-n']) : undefined;
}

/**
 * Installs Debian packages for their programs only. The maintainer scripts would start each server on its standard port and enable
 * it at boot: a policy file and a cluster setting hold them back and are put back afterwards, and what is new is disabled.
 */
export class DebianInstaller {
  constructor(private readonly elevation: readonly string[]) {}

  /** @throws when a package could not be installed, with the end of what apt-get said. */
  async install(packages: readonly ServerPackage[], progress: Progress): Promise<void> {
    await using lock = await takeInstallLock(progress);
    void lock;
    const missing = await onlyMissing(packages, (each) => each.name);
    if (missing.length === 0) return;
    const newServices = await onlyMissing(
      missing.flatMap((each) => each.services),
      (each) => each.from,
    );
    const names = missing.map((each) => each.name).join(', ');
    await withTicker(`installing ${names}`, progress, async () => {
      await this.refreshPackageLists(missing);
      await this.withoutStartingServices(async () => {
        await this.withoutDefaultCluster(missing, () => this.aptInstall(missing.map((each) => each.name)));
        await this.disable(newServices);
      });
    });
    progress(`installed ${names} (programs only: no system service was started or enabled)`);
  }

  /** Fresh container images have no package lists at all, or only some of them. */
  private async refreshPackageLists(packages: readonly ServerPackage[]): Promise<void> {
    const known = await runCommand('apt-cache', ['--quiet=2', 'show', ...packages.map((each) => each.name)], { timeoutMs: 20_000 });
    if (known.code !== 0) await this.aptUpdate();
  }

  private async aptUpdate(): Promise<void> {
    await this.asRoot('apt-get', ['--quiet=2', 'update']);
  }

  private async aptInstall(names: readonly string[]): Promise<void> {
    const install = [
      '--quiet=2',
      '--yes',
      '--no-install-recommends',
      '-o',
      'Dpkg::Use-Pty=0',
      '-o',
      'DPkg::Lock::Timeout=120',
      'install',
      ...names,
    ];
    const first = await this.asRoot('apt-get', install).catch((error: unknown) => error);
    if (!(first instanceof Error)) return;
    // Lists from last month name versions that the mirror no longer has.
    await this.aptUpdate();
    await this.asRoot('apt-get', install);
  }

  /** `policy-rc.d` exiting with 101 is Debian's documented way to say "do not start services"; one that is already there stays. */
  private async withoutStartingServices(work: () => Promise<void>): Promise<void> {
    if (await exists(SERVICE_POLICY)) return work();
    await this.writeAsRoot(
      SERVICE_POLICY,
      '#!/bin/sh\n# Temporary, made by Parley while it installs packages. Delete it if you find it.\nexit 101\n',
      '755',
    );
    try {
      await work();
    } finally {
      await this.asRoot('rm', ['-f', SERVICE_POLICY]);
    }
  }

  /** Debian makes a database cluster on port 5432 at installation, unless its settings file says no before that. */
  private async withoutDefaultCluster(packages: readonly ServerPackage[], work: () => Promise<void>): Promise<void> {
    if (!packages.some((each) => each.name === 'postgresql') || (await exists(CLUSTER_SETTINGS))) return work();
    await this.aptInstall(['postgresql-common']);
    const settings = await readFile(CLUSTER_SETTINGS, 'utf8');
    await this.writeAsRoot(CLUSTER_SETTINGS, `${settings}\ncreate_main_cluster = false\n`, '644');
    try {
      await work();
    } finally {
      await this.writeAsRoot(CLUSTER_SETTINGS, settings, '644');
    }
  }

  /** One for System V scripts, one for systemd units; both also work where neither runs, such as in a container. */
  private async disable(services: readonly NewService[]): Promise<void> {
    for (const { unit, from } of services) {
      const script = unit.replace(/\.service$/, '');
      if (existsSync(`/etc/init.d/${script}`)) await this.asRoot('update-rc.d', [script, 'disable']);
      // It does nothing unless it is told that a package's script calls it.
      if (findProgram('deb-systemd-helper') !== undefined)
        await this.asRoot('env', [`DPKG_MAINTSCRIPT_PACKAGE=${from}`, 'deb-systemd-helper', 'disable', unit]);
    }
  }

  private async writeAsRoot(path: string, text: string, mode: string): Promise<void> {
    const draft = join(tmpdir(), `parley-${process.pid}-${path.replaceAll('/', '-')}`);
    await writeFile(draft, text, { flag: 'wx' });
    try {
      await this.asRoot('install', ['-m', mode, draft, path]);
    } finally {
      await rm(draft, { force: true });
    }
  }

  private async asRoot(command: string, args: readonly string[]): Promise<void> {
    const [program = command, ...rest] = [...this.elevation, ...this.environment(), command, ...args];
    await runOrThrow(program, rest, { timeoutMs: INSTALL_TIMEOUT_MS });
  }

  /** Through `env`, because sudo drops what we would set ourselves. */
  private environment(): string[] {
    return ['env', 'DEBIAN_FRONTEND=noninteractive', 'LC_ALL=C', 'NEEDRESTART_SUSPEND=1'];
  }
}

async function onlyMissing<T>(items: readonly T[], packageOf: (item: T) => string): Promise<T[]> {
  const states = await Promise.all(
    items.map((each) => runCommand('dpkg-query', ['-W', '-f', '${db:Status-Status}', packageOf(each)], { timeoutMs: 20_000 })),
  );
  return items.filter((_, index) => states[index]?.stdout !== 'installed');
}

async function withTicker(what: string, progress: Progress, work: () => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  progress(`${what} ...`);
  const ticker = setInterval(() => progress(`${what} ... ${Math.round((performance.now() - startedAt) / 1_000)} s`), 3_000);
  try {
    await work();
  } finally {
    clearInterval(ticker);
  }
}

/** One installation at a time on this machine, also between two checkouts. A lock whose owner is gone is taken over. */
async function takeInstallLock(progress: Progress): Promise<AsyncDisposable> {
  await mkdir(dirname(INSTALL_LOCK), { recursive: true });
  await chmod(dirname(INSTALL_LOCK), 0o1777).catch(() => undefined); // a folder of another user is already open to all
  const endsAt = performance.now() + INSTALL_TIMEOUT_MS;
  for (let told = false; !(await takeLock(INSTALL_LOCK)); told = true) {
    if (performance.now() > endsAt) throw new Error(`another installation holds ${INSTALL_LOCK}; remove the file if that is not so`);
    if (!told) progress('waiting for another installation to finish ...');
    await sleep(500);
  }
  return { [Symbol.asyncDispose]: () => dropLock(INSTALL_LOCK) };
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
