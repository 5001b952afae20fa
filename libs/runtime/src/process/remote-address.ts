import { isIPv6 } from 'node:net';

const MAPPED_IPV4 = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
/** A client with one IPv6 address has all 2^64 of its network: they count as one. */
const NETWORK_GROUPS = 4;

/**
 * The address of a peer as it is counted: an IPv4 address, or the /64 network of an IPv6 one. `unknown` for a connection that is gone already.
 * It is that of the last hop: X-Forwarded-For is what the caller writes.
 */
export const remoteAddressOf = (address: string | undefined): string => {
  if (address === undefined) return 'unknown';
  if (!address.includes(':')) return address;
  const mapped = MAPPED_IPV4.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  return isIPv6(address) ? networkOf(address) : address;
};

const networkOf = (address: string): string => {
  const [before = '', after] = address.split('%', 1).join('').split('::');
  const head = before === '' ? [] : before.split(':');
  const tail = after === undefined || after === '' ? [] : after.split(':');
  const zeros = after === undefined ? [] : Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0');
  return `${[...head, ...zeros, ...tail].slice(0, NETWORK_GROUPS).join(':')}::/64`;
};
