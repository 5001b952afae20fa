import { chmod, chown, mkdir } from 'node:fs/promises';
import { findProgram } from '#lib/devstack/process/commands';

/** The user of docker/Dockerfile. */
export const IMAGE_USER = 10_001;

/** Why processes cannot be contained on this machine; undefined when they can. */
export function whyNotContained(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a read-only root needs Linux and root';
  const missing = ['unshare', 'setpriv', 'mount'].find((program) => findProgram(program) === undefined);
  return missing === undefined ? undefined : `this machine has no ${missing}`;
}

/**
 * Makes `folder` a volume of the image's user, and returns the program and arguments that run a command as a container of the image would be:
 * as that user, without any capability, on a root where nothing can be written but this folder, not even /tmp.
 */
export async function containedIn(folder: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  await chown(folder, IMAGE_USER, IMAGE_USER);
  await chmod(`${folder}/..`, 0o711);
  const rights = `setpriv --reuid ${IMAGE_USER} --regid ${IMAGE_USER} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all`;
  const script = `mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec ${rights} "$@"`;
  return ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, folder];
}
