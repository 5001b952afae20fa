import { Explained } from '#lib/devstack/terminal/explain';

const UNRELEASED = '## Unreleased';
const VERSION = /^(\d+)\.(\d+)\.(\d+)$/;

/** What CHANGELOG.md says below "Unreleased", without the heading. @throws Explained when it has no such section. */
export function unreleasedOf(changelog: string): string {
  const [, ...rest] = changelog.split(new RegExp(`^${UNRELEASED}$`, 'm'));
  if (rest.length !== 1) throw new Explained(`CHANGELOG.md must have exactly one heading "${UNRELEASED}"; it has ${rest.length}`);
  return (rest[0] ?? '').split(/^## /m)[0]?.trim() ?? '';
}

/** The changelog with the unreleased section under the heading of its version, and an empty one above it. */
export const released = (changelog: string, version: string, date: string): string =>
  changelog.replace(new RegExp(`^${UNRELEASED}$`, 'm'), `${UNRELEASED}\n\n## ${version} (${date})`);

/**
 * The version that the unreleased section asks for (semver.org): "Before you upgrade" is an incompatible change, nothing but "Fixed" a patch,
 * anything else a feature. Before 1.0.0 an incompatible change raises the minor version.
 * @throws Explained when `current` is not x.y.z.
 */
export function nextVersion(current: string, section: string): string {
  const [major, minor, patch] = partsOf(current);
  const titles = [...section.matchAll(/^(?:\*\*(.+)\*\*|#{3,4} (.+))$/gm)].map(([, bold, heading]) => bold ?? heading ?? '');
  if (titles.includes('Before you upgrade')) return major === 0 ? `0.${minor + 1}.0` : `${major + 1}.0.0`;
  const isPatch = titles.length > 0 && titles.every((title) => title === 'Fixed');
  return isPatch ? `${major}.${minor}.${patch + 1}` : `${major}.${minor + 1}.0`;
}

/** @throws Explained when one of the two is not x.y.z. */
export function isLater(version: string, than: string): boolean {
  const [one, other] = [partsOf(version), partsOf(than)];
  const differing = one.findIndex((part, i) => part !== other[i]);
  return differing !== -1 && (one[differing] ?? 0) > (other[differing] ?? 0);
}

function partsOf(version: string): [number, number, number] {
  const found = VERSION.exec(version);
  if (found === null) throw new Explained(`"${version}" is no version: it must be x.y.z, such as 1.4.0`, 2);
  return [Number(found[1]), Number(found[2]), Number(found[3])];
}
