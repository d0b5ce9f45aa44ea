import { describe, expect, test } from 'vitest';
import { Rows } from './rows';
import { ALL, Estimates, Shown } from './shown';

function stream(): Rows {
  const rows = new Rows();
  for (let at = 0; at < 100; at += 1) rows.push({ offset: at * 10, index: 0 }, at % 2 === 0 ? 'text' : 'tool', at % 10 === 1);
  return rows;
}

const listed = (shown: Shown) => Array.from({ length: shown.count }, (_, at) => shown.row(at));

describe('what is listed of a stream', () => {
  test('is everything, and what comes', () => {
    const rows = stream();
    const shown = new Shown(rows, ALL, new Estimates());
    expect(shown.count).toBe(100);
    rows.push({ offset: 5000, index: 0 }, 'note', false);
    shown.extend();
    expect([shown.row(100), shown.at(100), shown.row(101), shown.has(101)]).toEqual([100, 100, -1, false]);
  });

  test('is what the filter leaves', () => {
    const rows = stream();
    const shown = new Shown(rows, { ...ALL, without: new Set(['text']) }, new Estimates());
    expect(listed(shown)).toEqual(Array.from({ length: 50 }, (_, at) => at * 2 + 1));
    expect([shown.at(7), shown.at(8), shown.at(99), shown.has(8)]).toEqual([3, 4, 49, false]);
    const failed = new Shown(rows, { ...ALL, failed: true }, new Estimates());
    expect(listed(failed)).toEqual([1, 11, 21, 31, 41, 51, 61, 71, 81, 91]);
    const only = new Shown(rows, { ...ALL, only: new Set([3, 4, 500]), without: new Set(['text']) }, new Estimates());
    expect(listed(only)).toEqual([3]);
  });

  test('gains a row of long ago when its result fails', () => {
    const rows = stream();
    const shown = new Shown(rows, { ...ALL, failed: true }, new Estimates());
    rows.fold(35, { offset: 2000, index: 0 }, true);
    rows.fold(37, { offset: 2010, index: 0 }, false);
    expect(shown.revise([35, 37])).toBe(true);
    expect(shown.revise([35, 37])).toBe(false);
    expect(listed(shown)).toEqual([1, 11, 21, 31, 35, 41, 51, 61, 71, 81, 91]);
    expect(shown.heights.count).toBe(11);
  });

  test('is estimated by what rows of its kind were measured to be', () => {
    const estimates = new Estimates();
    const shown = new Shown(stream(), ALL, estimates);
    for (let at = 0; at < 40; at += 2) shown.heights.measure(at, 200);
    expect(estimates.stale).toBe(true);
    shown.estimate();
    expect(estimates.stale).toBe(false);
    expect(shown.heights.get(90)).toBe(200);
    expect(shown.heights.get(91)).toBe(36);
  });
});
