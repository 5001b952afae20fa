import { createServer } from 'node:net';
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { linesOf, resultsOf } from './doctor.js';
import { diskFinding, machineChecks, memoryFinding, nodeFinding, openFilesFinding, settingsFinding } from './doctor-machine.js';
import { clockDifference } from './doctor-stack.js';

const GB = 1_073_741_824;

describe('the doctor', () => {
  it.each([
    [nodeFinding('24.21.0'), 'ok'],
    [nodeFinding('20.19.0'), 'fail'],
    [diskFinding(20 * GB), 'ok'],
    [diskFinding(2 * GB), 'warn'],
    [diskFinding(GB / 10), 'fail'],
    [memoryFinding(4 * GB), 'ok'],
    [memoryFinding(GB / 4), 'fail'],
    [openFilesFinding('Max open files            1048576              1048576              files'), 'ok'],
    [openFilesFinding('Max open files            1024                 4096                 files'), 'warn'],
    [openFilesFinding('Max open files            256                  4096                 files'), 'fail'],
    [clockDifference(1_000_500, 1_000_000, 1_000_900), 'ok'],
    [clockDifference(1_005_000, 1_000_000, 1_000_900), 'warn'],
    [clockDifference(900_000, 1_000_000, 1_000_900), 'fail'],
    [settingsFinding({ PARLEY_PROT_BASE: '9000' }), 'warn'],
    [settingsFinding({ LOG_LEVEL: 'loud' }), 'fail'],
    [settingsFinding({}), 'ok'],
  ])('finds %j: %s', (finding, level) => {
    expect(finding.level).toBe(level);
    expect(level === 'ok' || finding.level === 'ok' || finding.says.length > 0).toBe(true);
  });

  it('names the variable that nothing reads', () => {
    expect(settingsFinding({ PARLEY_PROT_BASE: '9000' }).says).toContain('PARLEY_PROT_BASE');
  });

  it('names the port that is taken and the process that has it', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      }),
    );
    const ports = machineChecks({ PARLEY_HOME: '/nonexistent-parley', PARLEY_GATEWAY_PORT: String(port) }).filter(
      ({ name }) => name === 'ports',
    );
    const [found] = await resultsOf(ports);
    server.close();
    expect(found).toMatchObject({ level: 'fail', says: expect.stringContaining(`port ${port} for gateway is taken`) });
  });

  it('has a finding also for a check that throws', async () => {
    const [found] = await resultsOf([{ name: 'x', run: () => Promise.reject(new Error('it broke')) }]);
    expect(found).toEqual({ name: 'x', level: 'fail', says: 'it broke' });
  });

  it('writes no line that is longer than a terminal, and what to do on one of its own', () => {
    const lines = linesOf({
      name: 'ports',
      level: 'fail',
      says: `port 8080 is taken ${'again '.repeat(40)}${'x'.repeat(200)}`,
      toDo: 'change it',
    });
    const plain = lines.map((line) => stripVTControlCharacters(line));
    expect(Math.max(...plain.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(plain[0]).toMatch(/^FAIL ports {10}port 8080/);
    expect(plain.at(-1)?.trim()).toBe('-> change it');
  });
});
