import { it } from 'vitest';

// Families of the attack list that have no door in this version. Each comes with the feature that opens one; until then it is counted as skipped.

const missing: readonly [family: string, reason: string][] = [
  ['S3: guessed passwords and codes', 'Parley has tokens and no log-in'],
  ['S6: burning tokens of a language model', 'there is no language model yet'],
  ['S9: addresses that lead inside (SSRF)', 'no setting or field of a caller is an address that is fetched yet'],
];

// oxlint-disable-next-line vitest/expect-expect -- there is nothing to attack and so nothing to expect
it.for(missing)('%s', ([, reason], { skip }) => skip(reason));
