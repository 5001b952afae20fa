/** Object id of the type `text` in every Postgres. */
const TEXT_OID = 25;
const HEADER_BYTES = 20;

/**
 * Texts in UTF-8 as a parameter of type `text[]` in Postgres' binary form. As strings `pg` would quote them on the event loop: a tenth of a second
 * for 10 MB, against a few milliseconds for this copy.
 */
export const binaryTexts = (texts: readonly Uint8Array[]): Buffer => {
  const bytes = texts.reduce((sum, { length }) => sum + 4 + length, HEADER_BYTES);
  const array = Buffer.allocUnsafe(bytes);
  // Dimensions, no nulls, type of the elements, their number, index of the first.
  let at = 0;
  for (const field of [1, 0, TEXT_OID, texts.length, 1]) at = array.writeInt32BE(field, at);
  for (const text of texts) {
    at = array.writeInt32BE(text.length, at);
    array.set(text, at);
    at += text.length;
  }
  return array;
};
