import { describe, expect, it } from 'vitest';
import { planPorts, type PortWish, PortProblem, portWishes } from './port-plan.js';

const services = [
  { name: 'gateway', entry: '', portOffset: 0, stopWithinMs: 1 },
  { name: 'ops', entry: '', portOffset: 3, stopWithinMs: 1 },
];
const machine = (taken: readonly number[]) => ({
  isFree: async (port: number) => !taken.includes(port),
  ownerOf: (port: number) => (taken.includes(port) ? `nginx (pid ${port})` : undefined),
});
const portsOf = (wishes: readonly PortWish[]) => Object.fromEntries(wishes.map(({ name, port }) => [name, port]));

describe('the list of wanted ports', () => {
  it('counts services from 8080 and keeps private servers off their standard ports', () => {
    const ports = portsOf(portWishes(services, {}));
    expect(ports).toMatchObject({ gateway: 8080, ops: 8083, postgres: 8110, redis: 8114, 'rabbitmq-management': 15_672 });
    for (const standard of [5432, 5672, 6379, 4369, 25_672, 8000]) expect(Object.values(ports)).not.toContain(standard);
  });

  it('shifts all of them with PARLEY_PORT_BASE, the management page too', () => {
    expect(portsOf(portWishes(services, { PARLEY_PORT_BASE: '9080' }))).toMatchObject({
      gateway: 9080,
      postgres: 9110,
      'rabbitmq-management': 16_672,
    });
  });

  it('stays below the end of the port range when the base is high, and refuses a base that is not possible', () => {
    expect(Math.max(...Object.values(portsOf(portWishes(services, { PARLEY_PORT_BASE: '65000' }))))).toBeLessThan(65_536);
    expect(() => portWishes(services, { PARLEY_PORT_BASE: '65530' })).toThrow('PARLEY_PORT_BASE=65530 is too high');
    expect(() => portWishes(services, { PARLEY_PORT_BASE: 'http' })).toThrow('PARLEY_PORT_BASE=http is not a port');
  });
});

describe('the port plan', () => {
  it('moves a private server past a taken port and past what the others wish for', async () => {
    const plan = await planPorts(portWishes(services, {}), machine([8110]));
    expect(plan.get('postgres')).toBe(8116);
    expect(plan.get('rabbitmq')).toBe(8111);
  });

  it('never moves a service: names every taken port, its owner and the variables', async () => {
    const attempt = planPorts(portWishes(services, {}), machine([8080, 8083]));
    await expect(attempt).rejects.toThrow(PortProblem);
    await expect(attempt).rejects.toThrow('port 8080 for gateway is taken by nginx (pid 8080): set PARLEY_PORT_BASE');
    await expect(attempt).rejects.toThrow('PARLEY_OPS_PORT');
  });

  it('never moves a private server whose port was asked for', async () => {
    const attempt = planPorts(portWishes(services, { PARLEY_REDIS_PORT: '7000' }), machine([7000]));
    await expect(attempt).rejects.toThrow('port 7000 for redis is taken by nginx (pid 7000)');
  });

  it('refuses the same port for two', async () => {
    const attempt = planPorts(portWishes(services, { PARLEY_OPS_PORT: '8080' }), machine([]));
    await expect(attempt).rejects.toThrow('port 8080 is asked for twice: change PARLEY_OPS_PORT');
  });

  it('never gives one port to two', async () => {
    const taken = Array.from({ length: 40 }, (_, index) => 8100 + index);
    const plan = await planPorts(portWishes(services, {}), machine(taken));
    expect(new Set(plan.values()).size).toBe(plan.size);
  });
});
