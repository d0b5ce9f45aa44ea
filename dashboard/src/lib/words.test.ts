import { describe, expect, test } from 'vitest';
import { doing, names, verdictWords, wanted } from './doing';
import { eventText, eventWords } from './events';
import { current } from './needs';
import { runLook, SIGNS, stateLook, taskLook } from './states';
import type { Counts, Run, RunRow, Task } from './wire';

const NOW = Date.parse('2026-11-21T22:00:00.000Z');
const task = (more: Partial<Task> = {}) => ({ id: 'a', name: 'A', state: 'waiting', over: false, held: false, detail: '', action: '', waits_for: [], changed: [], ...more }) as Task;
const none = new Map<string, Task>();

describe('what a task does, in a line', () => {
  test('is what it waits for, by name, and not by a list without end', () => {
    const byId = new Map([task({ id: 'x', name: 'Lexer' }), task({ id: 'y', name: 'Parser' })].map((one) => [one.id, one]));
    expect(doing(task({ waits_for: ['x', 'y'] }), byId, NOW)).toBe('Waits for Lexer, Parser');
    expect(names(['x', 'y', 'z', 'u', 'v'], byId)).toBe('Lexer, Parser, z and 2 more');
    expect(doing(task(), none, NOW)).toBe('Waits for a free slot');
  });

  test('is what is urgent before what is usual', () => {
    const running = { state: 'running', step_kind: 'agent', action: 'Edits a.rs' };
    expect(doing(task(running), none, NOW)).toBe('Edits a.rs');
    expect(doing(task({ ...running, suspected_seconds: 340 }), none, NOW)).toBe('No sign of life for 5m 40s and more');
    expect(doing(task({ held: true }), none, NOW)).toContain('Paused by somebody');
    expect(doing(task({ state: 'suspended', resumes_at: '2026-11-21T22:00:30.000Z', detail: 'overloaded' }), none, NOW)).toBe('Tried again in 30s: overloaded');
    expect(doing(task({ state: 'suspended', resumes_at: '2026-11-21T21:59:30.000Z' }), none, NOW)).toBe('Is tried again as soon as there is room');
  });

  test('is what came of it, once it is over', () => {
    expect(doing(task({ state: 'failed', over: true, detail: 'crashed' }), none, NOW)).toBe('crashed');
    expect(doing(task({ state: 'succeeded', over: true, verdict: 'verified', changed: ['a'] }), none, NOW)).toBe('Checked and merged · 1 file');
    expect(verdictWords({ verdict: 'no-change', changed: [] })).toBe('Nothing had to be changed');
  });
});

describe('the look of a state', () => {
  test('has a word, a sign that is drawn, and a shape of its own for what went well, badly, or waits', () => {
    const states = ['waiting', 'preparing', 'ready', 'starting', 'running', 'collecting', 'suspended', 'queued', 'merging', 'verifying', 'advancing', 'succeeded', 'failed', 'timed-out', 'cancelled', 'skipped', 'lost'];
    for (const state of states) {
      expect(stateLook(state).word).not.toBe(state);
      expect(SIGNS[stateLook(state).sign].path).not.toBe('');
    }
    expect(new Set(['waiting', 'running', 'succeeded', 'failed', 'merging', 'cancelled'].map((state) => stateLook(state).sign)).size).toBe(6);
    expect(stateLook('of-a-newer-server').word).toBe('of-a-newer-server');
  });

  test('says a conflict, a pause and a silence before the state', () => {
    expect(taskLook(task({ state: 'failed', over: true, verdict: 'conflict' })).word).toBe('Conflict');
    expect(taskLook(task({ held: true })).word).toBe('Waiting, paused');
    expect(taskLook(task({ state: 'running', suspected_seconds: 1 })).tone).toBe('warn');
  });

  test('of a run is green only where all of it is done', () => {
    expect(runLook('finished', { total: 3, succeeded: 3 } as Counts).tone).toBe('ok');
    expect(runLook('finished', { total: 3, succeeded: 2 } as Counts).tone).toBe('warn');
  });
});

describe('what wants a person', () => {
  test('is of runs that go on and of the one that ended last', () => {
    const rows = [['d', 'active'], ['c', 'finished'], ['b', 'paused'], ['a', 'finished']].map(([id, status]) => ({ id, status }) as RunRow);
    expect([...current(rows)]).toEqual(['d', 'c', 'b']);
  });

  test('names the tasks that it is about', () => {
    const needs = [{ kind: 'failed', task: 'x' }, { kind: 'land' }];
    expect([...wanted({ needs } as Run)]).toEqual(['x']);
    expect(wanted(null).size).toBe(0);
  });
});

describe('events in words', () => {
  const event = (type: string, more: object) => ({ seq: 1, at: '', type, ...more });
  test('say the point of them, whatever is missing', () => {
    expect(eventWords(event('step-ended', { end: { exit: { code: 0 }, wall: 81_000, stopped: true } }))).toBe('code 0 after 1m 21s, stopped');
    expect(eventWords(event('step-ended', {}))).toBe('ended');
    expect(eventWords(event('work-collected', { commit: '0123456789abcdef', changed: ['a'] }))).toBe('0123456789, 1 file');
    expect(eventWords(event('task-finished', { outcome: 'failed', verdict: null, detail: 'crashed' }))).toBe('failed · crashed');
    expect(eventWords(event('phases-recorded', { phases: [{ phase: 'testing', status: 'proved' }] }))).toBe('testing proved');
    expect(eventWords(event('of-a-newer-server', { x: 1 }))).toBe('');
  });

  test('are shown whole, but for a plan that stands elsewhere', () => {
    expect(eventText(event('run-started', { plan: { tasks: [1] }, settings: {} }))).toContain('"plan": "…"');
  });
});
