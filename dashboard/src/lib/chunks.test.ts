import { describe, expect, test } from 'vitest';
import { ALL, Chunks, GROUP, groups } from './chunks.svelte';

describe('a long table', () => {
  test('is cut into groups that are all of it, in order; a short one is one', () => {
    const many = Array.from({ length: 2001 }, (_, at) => at);
    const cut = groups(many);
    expect(cut.flat()).toEqual(many);
    expect(Math.max(...cut.map((group) => group.length))).toBe(GROUP);
    expect(groups(many.slice(0, ALL))).toHaveLength(1);
    expect(groups([])).toEqual([[]]);
  });

  test('has its ends and what has the focus there, whatever is seen', () => {
    const chunks = new Chunks(60);
    expect([0, 1, 2, 9].map((at) => chunks.has(at, 10))).toEqual([true, false, false, true]);
    chunks.held = 2;
    expect(chunks.has(2, 10)).toBe(true);
    expect(chunks.height(1, 40)).toBe(2400);
  });
});
