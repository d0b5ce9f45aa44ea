import { describe, expect, test } from 'vitest';
import { machinePlotted, moments, plotted, summary } from './series';
import type { Figure, FigureSeries, Span } from '../wire';

const START = Date.parse('2026-01-01T00:00:00Z');

function figure(second: number, words: Partial<Figure>): Figure {
  return { at: new Date(START + second * 1000).toISOString(), span_seconds: 10, cpu_percent: 0, memory_mb: 0, ...words };
}

function series(task: string, points: Figure[], step = 1): FigureSeries {
  return { task, attempt: 1, step, points };
}

describe('figures of steps', () => {
  test('of none are no lines', () => {
    expect(plotted([])).toEqual({ x: [], cpu: [], memory: [], tokens: [], cost: [], steps: [] });
    expect(plotted([series('a', [])]).x).toEqual([]);
  });

  test('add up while steps run together', () => {
    const one = series('a', [0, 10, 20, 30, 40].map((at) => figure(at, { cpu_percent: 50, memory_mb: 100 })));
    const other = series('b', [20, 30].map((at) => figure(at, { cpu_percent: 30, memory_mb: 10 })));
    const lines = plotted([one, other], [], 61);
    const at = (second: number) => lines.x.findIndex((moment) => moment >= START / 1000 + second);
    expect(lines.cpu[at(5)]).toBe(50);
    expect(lines.cpu[at(25)]).toBe(80);
    expect(lines.memory[at(25)]).toBe(110);
    expect(lines.steps[at(25)]).toBe(2);
  });

  test('leave a gap where nothing ran, and keep what was spent', () => {
    const one = series('a', [figure(0, { cpu_percent: 50, tokens: 10, cost_usd: 1 })]);
    const later = series('a', [figure(200, { cpu_percent: 70, tokens: 5, cost_usd: 0.5 })], 2);
    const lines = plotted([one, later], [], 221);
    const at = (second: number) => lines.x.findIndex((moment) => moment >= START / 1000 + second);
    expect(lines.cpu[at(100)]).toBeNull();
    expect(lines.tokens[at(100)]).toBe(10);
    expect(lines.tokens[at(210)]).toBe(15);
    expect(lines.cost[at(210)]).toBe(1.5);
  });

  test('of a step that is over count no longer than it ran', () => {
    const step = (task: string, points: number[]) => series(task, points.map((at) => figure(at, { memory_mb: 100, cpu_percent: 10 })));
    const all = [step('a', [0]), step('b', [2]), step('c', [4, 12])];
    const span = (task: string, from: number, to?: number): Span => ({ task, attempt: 1, step: 1, kind: 'agent', from: figure(from, {}).at, ...(to === undefined ? {} : { to: figure(to, {}).at }) });
    const lines = plotted(all, [span('a', 0, 2), span('b', 2, 4), span('c', 4)], 45);
    expect(Math.max(...lines.steps.map(Number))).toBe(1);
    expect(Math.max(...lines.memory.map(Number))).toBe(100);
    expect(Math.min(...lines.steps.map(Number))).toBe(1);
    // Steps that nobody looked at count too.
    expect(Math.max(...plotted(all, [span('a', 0, 2), span('b', 2, 4), span('c', 4), span('d', 1, 5), span('d', 5, 6)], 45).steps.map(Number))).toBe(2);
    // Without the spans nobody knows better.
    expect(Math.max(...plotted(all, [], 45).steps.map(Number))).toBe(3);
  });

  test('of a task that crashed and was tried again do not lie over each other', () => {
    const crashes = [1, 2, 3].map((step) => series('a', [figure(step * 2, { memory_mb: 100 })], step));
    const lines = plotted(crashes, [], 101);
    expect(Math.max(...lines.steps.map(Number))).toBe(1);
    expect(Math.max(...lines.memory.map(Number))).toBe(100);
  });

  test('of one look are a line all the same', () => {
    const lines = plotted([series('a', [figure(0, { cpu_percent: 5, span_seconds: 0 })])], [], 10);
    expect(lines.x).toHaveLength(10);
    expect(lines.cpu.every((value) => value === 5)).toBe(true);
  });
});

describe('what the machine had', () => {
  test('has gaps where something could not be seen', () => {
    const at = new Date(START).toISOString();
    const base = { at, cpus: 4, agents_memory_mb: 5, steps: 1, slots: 4, held_back: 0, requests_in_flight: 0 };
    const lines = machinePlotted([{ ...base, memory_total_mb: 100, memory_available_mb: 40 }, { ...base }] as never);
    expect(lines.used).toEqual([60, null]);
    expect(lines.cpu).toEqual([null, null]);
  });
});

test('moments lie at the same distance', () => {
  expect(moments(0, 10, 3)).toEqual([0, 5, 10]);
  expect(moments(5, 5, 3)).toEqual([5]);
  expect(moments(Infinity, -Infinity, 3)).toEqual([]);
});

test('a summary leaves out what is not there', () => {
  expect(summary([null, 1, 3, null, 2])).toEqual({ least: 1, mean: 2, most: 3, last: 2 });
  expect(summary([null])).toBeNull();
});
