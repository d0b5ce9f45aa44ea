import { describe, expect, test } from 'vitest';
import { Heights } from './heights';

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe('heights', () => {
  test('of no rows are nothing', () => {
    const heights = new Heights();
    expect([heights.count, heights.total, heights.top(0), heights.at(0)]).toEqual([0, 0, 0, -1]);
  });

  test('agree with a plain sum, whatever is measured in whatever order', () => {
    const random = seeded(7);
    const heights = new Heights();
    const plain: number[] = [];
    for (let row = 0; row < 3000; row += 1) {
      heights.push(20);
      plain.push(20);
    }
    for (let turn = 0; turn < 5000; turn += 1) {
      const row = Math.floor(random() * 3000);
      const height = Math.floor(random() * 400);
      expect(heights.measure(row, height)).toBe(height - (plain[row] ?? 0));
      plain[row] = height;
    }
    let y = 0;
    for (let row = 0; row < 3000; row += 1) {
      expect(heights.top(row)).toBe(y);
      const height = plain[row] ?? 0;
      if (height > 0) {
        expect(heights.at(y)).toBe(row);
        expect(heights.at(y + height - 1)).toBe(row);
      }
      y += height;
    }
    expect(heights.top(3000)).toBe(y);
    expect(heights.total).toBe(y);
  });

  test('clamp what lies outside', () => {
    const heights = new Heights();
    for (let row = 0; row < 10; row += 1) heights.push(10);
    expect(heights.at(-5)).toBe(0);
    expect(heights.at(1e9)).toBe(9);
    expect(heights.top(99)).toBe(100);
    expect(heights.measure(10, 5)).toBe(0);
    expect(heights.total).toBe(100);
  });

  test('that were measured are not estimated again', () => {
    const heights = new Heights();
    for (let row = 0; row < 1000; row += 1) heights.push(10);
    heights.measure(3, 50);
    heights.estimate((row) => (row < 500 ? 20 : 30));
    expect(heights.get(3)).toBe(50);
    expect(heights.get(4)).toBe(20);
    expect(heights.total).toBe(50 + 499 * 20 + 500 * 30);
    expect(heights.top(500)).toBe(50 + 499 * 20);
  });

  test('of rows that come in between', () => {
    const heights = new Heights();
    for (let row = 0; row < 1200; row += 1) heights.push(10);
    heights.measure(600, 30);
    heights.insert(600, 5);
    expect([heights.count, heights.get(600), heights.get(601), heights.isMeasured(600), heights.isMeasured(601)]).toEqual([1201, 5, 30, false, true]);
    expect(heights.total).toBe(1199 * 10 + 30 + 5);
    expect(heights.top(602)).toBe(600 * 10 + 35);
    heights.insert(0, 7);
    expect(heights.top(603)).toBe(600 * 10 + 42);
    expect(heights.at(6)).toBe(0);
  });

  test('say once of each row how high it is', () => {
    const learned: [number, number][] = [];
    const heights = new Heights((row, height) => learned.push([row, height]));
    heights.push(10);
    heights.push(10);
    heights.measure(1, 40);
    heights.measure(1, 50);
    expect(learned).toEqual([[1, 40]]);
  });
});
