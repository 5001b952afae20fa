import { describe, expect, it } from 'vitest';
import { cpuMsOf } from '#lib/testing/cpu-time';
import { MOST_SAMPLES, parseMetrics } from './parse-metrics.js';

const only = (line: string) => {
  const { samples, skippedCount } = parseMetrics(line);
  expect(skippedCount).toBe(0);
  expect(samples).toHaveLength(1);
  return { ...samples[0], labels: { ...samples[0]?.labels } };
};

describe('A text of metrics', () => {
  it('gives a sample for each line that is no comment', () => {
    const { samples } = parseMetrics('# HELP up Whether\n# TYPE up gauge\nup 1\n\nhits_total{route="/v1",status="200"} 12\n');
    expect(samples.map(({ name, value }) => [name, value])).toEqual([
      ['up', 1],
      ['hits_total', 12],
    ]);
    expect({ ...samples[1]?.labels }).toEqual({ route: '/v1', status: '200' });
  });

  it.each([
    ['a NaN', Number.NaN],
    ['a +Inf', Number.POSITIVE_INFINITY],
    ['a Inf', Number.POSITIVE_INFINITY],
    ['a -Inf', Number.NEGATIVE_INFINITY],
    ['a -1.5e-3', -0.0015],
    ['a .5', 0.5],
    ['a 1.', 1],
    ['a\t1e3', 1_000],
  ])('reads the value of %j', (line, value) => {
    expect(only(line).value).toBe(value);
  });

  it('unescapes label values, and keeps commas, braces and spaces inside them', () => {
    expect(only(String.raw`a{x="say \"hi\"\n",y="c:\\temp",z="a,b} 1"} 2`)).toEqual({
      name: 'a',
      labels: { x: 'say "hi"\n', y: String.raw`c:\temp`, z: 'a,b} 1' },
      value: 2,
    });
  });

  it('reads labels with spaces around them and a comma at their end', () => {
    expect(only('a{ x = "1" , y="2", } 3')).toEqual({ name: 'a', labels: { x: '1', y: '2' }, value: 3 });
    expect(only('a{} 3')).toEqual({ name: 'a', labels: {}, value: 3 });
  });

  it('passes over timestamps and exemplars', () => {
    expect(only('a 1 1395066363000').value).toBe(1);
    expect(only('a_bucket{le="0.1"} 8 # {trace_id="abc"} 0.067 1520879607.789').value).toBe(8);
    expect(only('a 1 1395066363000 # {} 3').value).toBe(1);
  });

  it('skips and counts what it cannot read, and reads the rest', () => {
    const garbage = [
      '<html>',
      '1a 2',
      'a',
      'a{',
      'a{x=1} 2',
      'a{x="1} 2',
      'a{x="1" y="2"} 3',
      'a b',
      'a 0x10',
      'a 1 2 3',
      '{x="1"} 2',
      '\0',
    ];
    const { samples, skippedCount } = parseMetrics([...garbage, 'b 1'].join('\n'));
    expect(samples.map(({ name }) => name)).toEqual(['b']);
    expect(skippedCount).toBe(garbage.length);
  });

  it('takes a label that is named like a part of every object for a label', () => {
    const { samples } = parseMetrics('a{__proto__="x",constructor="y"} 1');
    expect(Object.entries(samples[0]?.labels ?? {})).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ]);
  });

  it('reads lines that end with a carriage return', () => {
    expect(parseMetrics('a 1\r\nb 2\r\n').samples.map(({ value }) => value)).toEqual([1, 2]);
  });

  it('gives no more samples than the limit', () => {
    const { samples, skippedCount } = parseMetrics('a 1\n'.repeat(MOST_SAMPLES + 5));
    expect(samples).toHaveLength(MOST_SAMPLES);
    expect(skippedCount).toBe(5);
  });

  it.each([
    ['a label that never ends', `a{x="${'y'.repeat(1_000_000)}`],
    ['backslashes', `a{x="${'\\'.repeat(1_000_001)}"} 1`],
    ['spaces', `a${' '.repeat(1_000_000)}x y`],
    ['digits', `a 1 ${'1'.repeat(1_000_000)}x`],
    ['commas', `a{${','.repeat(1_000_000)}} 1`],
  ])('reads a line of a million %s in linear time', async (_, line) => {
    expect(await cpuMsOf(() => parseMetrics(line))).toBeLessThan(1_000);
  });
});
