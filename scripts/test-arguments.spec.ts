import { describe, expect, it, vi } from 'vitest';
import { kinds, wantedFrom } from './test-arguments.js';

const files = ['libs/bus/src/twins.spec.ts', 'libs/bus/src/until-confirmed.spec.ts', 'test/journeys/poison.e2e-spec.ts'];
const wanted = (...args: string[]) => wantedFrom(args, files);

describe('the arguments of npm test', () => {
  it.each([
    [[], { checks: true, kinds: Object.keys(kinds), filters: [] }],
    [['checks'], { checks: true, kinds: [], filters: [] }],
    [['unit'], { checks: false, kinds: ['unit'], filters: [] }],
    [['checks', 'unit', 'libs/bus'], { checks: true, kinds: ['unit'], filters: ['libs/bus'] }],
    [['./libs/bus/src/twins'], { checks: false, kinds: Object.keys(kinds), filters: ['./libs/bus/src/twins'] }],
    [['unit', '--changed'], { kinds: ['unit'], changedSince: 'HEAD' }],
    [['--changed', 'main'], { changedSince: 'main' }],
  ])('%j', (args, expected) => {
    expect(wanted(...args)).toMatchObject(expected);
  });

  it.each([['unti'], ['unit', 'libs/buss'], ['integraton', 'unit']])(
    'with a typing mistake are refused instead of running everything: %s %s',
    (...args) => {
      expect(() => wanted(...args.filter(Boolean))).toThrow(
        expect.objectContaining({ exitCode: 2, message: expect.stringContaining('checks') }),
      );
    },
  );

  it('with an unknown option are refused, once and with exit code 2', () => {
    expect(() => wanted('--chnged')).toThrow(expect.objectContaining({ exitCode: 2, message: expect.stringContaining('--chnged') }));
  });

  it('explain themselves once', () => {
    const said: string[] = [];
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => said.push(String(text)) > 0);
    const exit = vi.spyOn(process, 'exit').mockImplementation(() => {
      throw new Error('left');
    });
    expect(() => wanted('--help')).toThrow('left');
    write.mockRestore();
    exit.mockRestore();
    expect(said.join('').match(/Usage:/g)).toHaveLength(1);
    for (const kind of ['checks', ...Object.keys(kinds)]) expect(said.join('')).toContain(kind);
  });
});
