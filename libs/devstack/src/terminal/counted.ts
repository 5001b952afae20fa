/** `1 message`, `2 messages`: a number with what it counts, for nouns that take an s. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;
