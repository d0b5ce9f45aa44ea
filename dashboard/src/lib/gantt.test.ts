import { describe, expect, test } from 'vitest';
import { gantt, ghosts, ticks } from './gantt';
import type { Run, Span, Task } from './wire';

const ZERO = Date.parse('2026-11-21T22:00:00.000Z');
const at = (second: number) => new Date(ZERO + second * 1000).toISOString();
const run = (more: Partial<Run> = {}) => ({ status: 'active', started_at: at(0), ...more }) as Run;
const task = (id: string, more: Partial<Task> = {}) => ({ id, over: false, attempts: 1, estimate_seconds: 60, elapsed_seconds: 0, ...more }) as Task;
const span = (task: string, step: number, from: number, to?: number): Span => ({ task, attempt: 1, step, kind: 'agent', from: at(from), ...(to === undefined ? {} : { to: at(to) }) });
const seconds = (moment: number) => (moment - ZERO) / 1000;

describe('a time line', () => {
  test('has a bar for each step and says where a task waited', () => {
    const tasks = [task('late'), task('a', { over: true, finished_at: at(50) })];
    const { rows, from, to } = gantt(run(), tasks, [span('a', 1, 5, 20), span('a', 2, 30, 40), span('late', 1, 45)], new Map(), ZERO + 60_000);
    expect([seconds(from), seconds(to)]).toEqual([0, 60]);
    expect(rows.map((row) => row.task.id)).toEqual(['a', 'late']);
    expect(rows[0]?.waits.map((wait) => [seconds(wait.from), seconds(wait.to), wait.before])).toEqual([[0, 5, true], [20, 30, false], [40, 50, false]]);
    expect(rows[1]?.bars.map((bar) => [seconds(bar.from), seconds(bar.to), bar.open])).toEqual([[45, 60, true]]);
  });

  test('stops at the end of a run that is over', () => {
    const over = run({ status: 'finished', finished_at: at(30) });
    const { to } = gantt(over, [task('a', { over: true, finished_at: at(30) })], [span('a', 1, 0, 30)], new Map(), ZERO + 9_000_000);
    expect(seconds(to)).toBe(30);
  });

  test('shows what is to come as the engine expects it, from now on', () => {
    const tasks = [{ task: 'a', begins_at: at(0), ends_at: at(90) }, { task: 'b', begins_at: at(90), ends_at: at(200) }, { task: 'done', begins_at: at(0), ends_at: at(0) }];
    const going = run({ forecast: { ends_at: at(200), critical_path: ['a', 'b'], tasks } });
    const found = [...ghosts(going, ZERO + 30_000)].map(([id, { from, to }]) => [id, seconds(from), seconds(to)]);
    expect(found).toEqual([['a', 30, 90], ['b', 90, 200]]);
    const { rows, to } = gantt(going, [task('b', { attempts: 0 }), task('a')], [span('a', 1, 0)], ghosts(going, ZERO + 30_000), ZERO + 30_000);
    expect(rows.map((row) => row.ghost && seconds(row.ghost.to))).toEqual([90, 200]);
    expect(seconds(to)).toBe(200);
    expect(ghosts(run({ status: 'paused' }), ZERO).size).toBe(0);
  });

  test('has round moments on its scale, far enough apart', () => {
    const list = ticks(ZERO + 1000, ZERO + 600_000, 0.001, 90);
    expect(list.map(seconds)).toEqual([120, 240, 360, 480, 600]);
  });
});
