import { describe, expect, test } from 'vitest';
import { Heights } from './heights';
import { HIGHEST, Viewport } from './viewport';

function list(rows: number, height = 20, size = 100): Viewport {
  const heights = new Heights();
  for (let row = 0; row < rows; row += 1) heights.push(height);
  const view = new Viewport(heights);
  view.size = size;
  return view;
}

/** Where a row is seen, from the upper edge of what is in view. */
function seen(view: Viewport, row: number): number {
  return view.heights.top(row) - view.top;
}

describe('a view of a list', () => {
  test('draws what is in view, and some beyond', () => {
    const view = list(1000);
    expect(view.range(0)).toEqual({ first: 0, end: 6 });
    view.scrolled(200);
    expect(view.range(40)).toEqual({ first: 8, end: 18 });
    expect(list(0).range()).toEqual({ first: 0, end: 0 });
  });

  test('stays where it is while rows above it turn out higher', () => {
    const view = list(1000);
    view.scrolled(250);
    const before = seen(view, 13);
    view.measure(3, 90);
    view.measure(12, 35); // begins above the edge and reaches into view
    expect(seen(view, 13)).toBe(before);
    view.measure(14, 400);
    expect(seen(view, 13)).toBe(before);
    expect(view.place(13)).toBe(250 + before);
  });

  test('keeps a row that is folded where it begins', () => {
    const view = list(1000);
    view.scrolled(250);
    view.pin = 12;
    const before = seen(view, 12);
    view.measure(12, 300);
    expect(seen(view, 12)).toBe(before);
  });

  test('that follows is always at the end', () => {
    const view = list(100);
    view.follow = true;
    view.rest();
    expect(view.top).toBe(1900);
    view.heights.push(50);
    view.measure(99, 70);
    view.rest();
    expect(view.top).toBe(2000);
    expect(view.atEnd).toBe(true);
  });

  test('settles the bar where it belongs, without moving what is seen', () => {
    const view = list(1000);
    view.scrolled(250);
    view.measure(0, 60);
    expect(view.top).toBe(290);
    expect(view.settle()).toBe(290);
    expect(view.settle()).toBeNull();
    expect(view.place(0)).toBe(0);
  });

  test('can be scrolled to both ends of a million rows, and by single pixels in between', () => {
    const view = list(1_000_000, 60, 800);
    expect(view.box).toBe(HIGHEST);
    view.scrolled(HIGHEST - 800);
    expect(view.top).toBe(60_000_000 - 800);
    expect(view.range(0).end).toBe(1_000_000);
    view.scrolled(HIGHEST / 2);
    const middle = view.top;
    expect(Math.abs(middle - 30_000_000)).toBeLessThan(5000);
    view.scrolled(HIGHEST / 2 + 3);
    expect(view.top).toBe(middle + 3);
    view.scrolled(0);
    expect(view.top).toBe(0);
  });

  test('is settled at once where the bar is at its end and the list is not', () => {
    const view = list(1_000_000, 60, 800);
    view.scrolled(2000); // by much: somewhere below
    expect(view.stuck).toBe(false);
    view.scrolled(0);
    view.scrolled(5000);
    for (let bar = 4000; bar >= 0; bar -= 1000) view.scrolled(bar);
    expect(view.stuck).toBe(true);
    const top = view.top;
    const bar = view.settle();
    expect(bar).toBeGreaterThan(0);
    expect(view.top).toBe(top);
    expect(view.stuck).toBe(false);
  });

  test('shows a row', () => {
    const view = list(1000);
    view.show(500, 'start');
    expect(view.top).toBe(10_000);
    view.show(502, 'nearest');
    expect(view.top).toBe(10_000);
    view.show(506, 'nearest');
    expect(view.top).toBe(10_040);
    view.show(999, 'start');
    expect(view.top).toBe(view.furthest);
    view.show(500, 'center');
    expect(view.top).toBe(10_000 - 40);
  });
});
