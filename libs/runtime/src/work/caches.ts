/** Something that only saves time and can be emptied when memory is short. */
export interface Emptiable {
  clear(): void;
}

// Weak, so that being registered keeps no cache alive.
const caches = new Set<WeakRef<Emptiable>>();

/** Lets a process empty this cache when its memory is short (R105). */
export const mayBeEmptied = (cache: Emptiable): void => void caches.add(new WeakRef(cache));

/** Empties every cache of this process. @returns how many there were. */
export const emptyCaches = (): number => {
  let count = 0;
  for (const reference of caches) {
    const cache = reference.deref();
    if (cache === undefined) caches.delete(reference);
    else {
      cache.clear();
      count += 1;
    }
  }
  return count;
};
