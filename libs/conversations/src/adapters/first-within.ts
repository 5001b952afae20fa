import type { Message } from '../message.js';

/** The first of `items` until they reach `limit` bytes, with the one that crosses it: never nothing of something. */
export const firstWithin = <Item>(limit: number, items: readonly Item[], bytesOfOne: (item: Item) => number): Item[] => {
  let bytes = 0;
  return items.filter((item) => {
    const isIn = bytes < limit;
    bytes += bytesOfOne(item);
    return isIn;
  });
};

/** Bytes that a message adds to an answer. */
export const bytesOf = ({ content, metadata }: Message): number =>
  Buffer.byteLength(content) + (metadata === undefined ? 0 : JSON.stringify(metadata).length);
