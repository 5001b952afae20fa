/** 32 random bytes have 256 bits, 32 random hexadecimal digits 128; what a person types has far less. */
const ENOUGH_BITS = 90;

/** From documentation, templates and tutorials: the first that an attacker tries. Compared without case and punctuation. */
const KNOWN = [
  'changeme',
  'changethis',
  'changeit',
  'replaceme',
  'replacethis',
  'your256bitsecret',
  'yoursecret',
  'yourjwtsecret',
  'mysecret',
  'supersecret',
  'topsecret',
  'jwtsecret',
  'password',
  'keyboardcat',
  'notsosecret',
  'parleysecret',
  'insecure',
  'default',
];

/** Why a key can be guessed, as half a sentence; undefined when it cannot be told from a random one. */
export function weaknessOf(secret: string): string | undefined {
  const letters = secret.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  if (KNOWN.some((known) => letters.includes(known))) return 'is a default from documentation or a template';
  if (/^(.{1,16}?)\1+$/s.test(secret)) return 'is one piece repeated';
  if (stepsIn(secret) > secret.length / 2) return 'is a row of neighbouring characters';
  return bitsOf(secret) < ENOUGH_BITS ? 'has too few different characters' : undefined;
}

/** Characters that follow the one before them in the alphabet, as in `abcdef` or `987654`. */
function stepsIn(text: string): number {
  const codes = Array.from(text, (character) => character.codePointAt(0) ?? 0);
  return codes.filter((code, i) => i > 0 && Math.abs(code - (codes[i - 1] ?? 0)) === 1).length;
}

/** Shannon's entropy of the characters, times how many there are: an upper bound of what can be random in it. */
function bitsOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  const total = Array.from(text).length;
  return [...counts.values()].reduce((bits, count) => bits - count * Math.log2(count / total), 0);
}
