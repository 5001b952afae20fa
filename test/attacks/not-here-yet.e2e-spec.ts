import { it } from 'vitest';

// Families of the attack list that have no door in this version. Each comes with the feature that opens one; until then it is counted as skipped.

const missing: readonly [family: string, reason: string][] = [['S3: guessed passwords and codes', 'Parley has tokens and no log-in']];

// oxlint-disable-next-line vitest/expect-expect -- there is nothing to attack and so nothing to expect
it.for(missing)('%s', ([, reason], { skip }) => skip(reason));
