import { describe, expect, test } from 'vitest';
import { draw, essential, MANY, NODE } from './layout';
import type { Edge, Plan, PlannedTask } from './wire';

const edge = (from: string, to: string, reason = 'declared'): Edge => ({ from, to, reason, evidence: '', confidence: 100 });
const plan = (ids: string[], edges: Edge[]): Plan => ({ base: '', tasks: ids.map((id) => ({ id }) as PlannedTask), edges, stages: [], skipped: [], warnings: [] });

describe('the drawing of a plan', () => {
  test('has every task once, behind what it waits for, and none over another', () => {
    const { places, curves, width, height } = draw(plan(['a', 'b', 'c', 'd', 'e'], [edge('a', 'b'), edge('a', 'c'), edge('b', 'd'), edge('c', 'd')]));
    expect([...places.keys()].sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(curves.length).toBe(4);
    for (const { edge } of curves) expect(places.get(edge.from)!.x + NODE.width).toBeLessThan(places.get(edge.to)!.x);
    const all = [...places.values()];
    for (const one of all) {
      expect(one.x - NODE.width / 2).toBeGreaterThanOrEqual(0);
      expect(one.x + NODE.width / 2).toBeLessThanOrEqual(width);
      expect(one.y + NODE.height / 2).toBeLessThanOrEqual(height);
      for (const other of all) {
        if (one === other) continue;
        expect(Math.abs(one.x - other.x) >= NODE.width || Math.abs(one.y - other.y) >= NODE.height).toBe(true);
      }
    }
  });

  test('keeps two reasons between the same tasks apart, and ignores edges to nowhere', () => {
    const { curves } = draw(plan(['a', 'b'], [edge('a', 'b'), edge('a', 'b', 'import'), edge('a', 'gone')]));
    expect(new Set(curves.map((curve) => curve.key)).size).toBe(2);
  });

  test('of very many is by stage: all are there, behind what they wait for, none over another, and it is said', () => {
    const ids = Array.from({ length: 1000 }, (_, at) => `t${at}`);
    const edges = ids.flatMap((id, at) => (at < 100 ? [] : [edge(`t${Math.floor(at / 3)}`, id), edge(`t${at - 90}`, id, 'import')]));
    const { places, curves, width, height, simple } = draw(plan(ids, edges));
    expect(simple).toBe(true);
    expect([places.size, curves.length]).toEqual([1000, edges.length]);
    for (const { edge } of curves) expect(places.get(edge.from)!.x).toBeLessThan(places.get(edge.to)!.x);
    const cells = new Set([...places.values()].map(({ x, y }) => `${x} ${y}`));
    expect(cells.size).toBe(1000);
    expect(width / height).toBeGreaterThan(0.4);
    expect(width / height).toBeLessThan(6);
    expect(draw(plan(['a', 'b'], [edge('a', 'b')])).simple).toBe(false);
  });

  test('of a circle that came by mistake has all the same every task', () => {
    const ids = Array.from({ length: MANY.tasks + 1 }, (_, at) => `t${at}`);
    const round = ids.map((id, at) => edge(id, ids[(at + 1) % ids.length]!));
    expect(draw(plan(ids, round)).places.size).toBe(ids.length);
  });

  test('of nothing is nothing', () => {
    expect(draw(plan([], [])).places.size).toBe(0);
  });

  test('knows edges that follow from others', () => {
    const edges = [edge('a', 'b'), edge('b', 'c'), edge('a', 'c'), edge('c', 'd'), edge('a', 'd')];
    expect(essential(edges).map(({ from, to }) => from + to)).toEqual(['ab', 'bc', 'cd']);
  });
});
