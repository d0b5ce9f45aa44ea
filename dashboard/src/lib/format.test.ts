import { describe, expect, test } from 'vitest';
import { ago, count, duration, many, memory, money, percent, shortRun } from './format';

describe('figures', () => {
  test('of time', () => {
    expect([0, 42.4, 59.6, 185, 3600, 4320, 90_000].map(duration)).toEqual(['0s', '42s', '1m 00s', '3m 05s', '1h 00m', '1h 12m', '1d 1h']);
  });

  test('of money', () => {
    expect([0, 0.004, 0.416, 12.3, 1204.4].map(money)).toEqual(['$0.00', '<$0.01', '$0.42', '$12.30', '$1,204']);
  });

  test('of tokens and memory', () => {
    expect([0, 950, 12_345, 999_950, 1_200_000].map(count)).toEqual(['0', '950', '12.3k', '1M', '1.2M']);
    expect([0, 512, 1434, 20_480].map(memory)).toEqual(['0 MiB', '512 MiB', '1.4 GiB', '20 GiB']);
    expect(percent(0.366)).toBe('37%');
  });

  test('of the past', () => {
    const now = Date.parse('2026-11-21T22:00:00.000Z');
    expect(ago('2026-11-21T21:59:40.000Z', now)).toBe('just now');
    expect(ago('2026-11-21T21:56:00.000Z', now)).toBe('4 min ago');
    expect(ago('2026-11-21T19:00:00.000Z', now)).toBe('3 h ago');
    expect(ago('not a moment', now)).toBe('');
  });

  test('in words', () => {
    expect(many(1, 'task')).toBe('1 task');
    expect(many(3, 'entry', 'entries')).toBe('3 entries');
    expect(shortRun('orchestration-20261121-221504-a1b2')).toBe('a1b2');
  });
});
