/** A header whose value fits into one line. */
const HEADER = /^([\w-]+)=([\x20-\x7e]*)$/;

/** Headers written as OpenTelemetry writes them, `name=value,name=value` with percent-encoded values; undefined when that is not what it is. */
export const parseHeaderList = (text: string): Readonly<Record<string, string>> | undefined => {
  try {
    const pairs = text.split(',').map((pair) => HEADER.exec(decodeURIComponent(pair.trim())));
    if (pairs.includes(null)) return undefined;
    return Object.fromEntries(pairs.map((pair) => [pair?.[1] ?? '', pair?.[2]?.trim() ?? '']));
  } catch {
    return undefined; // percent signs that encode nothing
  }
};
