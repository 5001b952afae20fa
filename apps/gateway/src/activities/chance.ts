/** A number below 2^32 that the same text always gives (FNV-1a). For variety, not against guessing. */
export const hashOf = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
};

/** Two hashes as one in which each of their bits counts (the finalizer of MurmurHash3). */
export const mixed = (one: number, other: number): number => {
  let hash = one ^ other;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
};
