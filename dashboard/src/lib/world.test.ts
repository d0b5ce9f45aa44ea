import { describe, expect, test } from 'vitest';
import type { Message, Run, RunRow, Task } from './wire';
import { World } from './world.svelte';

const at = (second: number) => `2026-11-21T22:00:${String(second).padStart(2, '0')}.000Z`;
const usage = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0, tokens: 5, cost_usd: 0.1 };
// Only what the store looks at; the rest is the server's affair.
const task = (id: string, state = 'waiting') => ({ id, state, over: state === 'succeeded', action: '', usage }) as Task;
const run = (id: string, status = 'active') => ({ id, status }) as Run;
const row = (id: string, second: number) => ({ id, started_at: at(second) }) as RunRow;

function world(): { world: World; say: (...messages: object[]) => void } {
  const made = new World();
  return {
    world: made,
    say: (...messages) => {
      for (const message of messages) made.listener.take(message as Message);
      made.flush();
    },
  };
}

const detail = (id: string, tasks: Task[], spans: object[] = []) => ({ seq: 10, run: run(id), tasks, plan: { edges: [], tasks: [] }, spans });
const event = (seq: number, type: string, more: object = {}) => ({ type: 'event', event: { seq, at: at(seq), type, run: 'r1', ...more } });
const step = { task: 'a', attempt: 1, step: 1 };

describe('what the page knows', () => {
  test('begins with the latest run, and changes by what is said of it', () => {
    const { world: it, say } = world();
    say({ type: 'snapshot', seq: 10, repository: 'widgets', runs: [row('r1', 1)], detail: detail('r1', [task('a'), task('b')]) });
    expect(it.watched).toBe('r1');
    expect(it.repository).toBe('widgets');
    say({ type: 'resumed', seq: 10, repository: 'widgets-renamed' });
    expect(it.repository).toBe('widgets-renamed');
    const untouched = it.byId.get('b');
    say({ type: 'state', seq: 11, run: run('r1', 'paused'), tasks: [task('a', 'running')] });
    expect(it.run?.status).toBe('paused');
    expect(it.tasks.map((task) => task.state)).toEqual(['running', 'waiting']);
    expect(it.byId.get('b')).toBe(untouched);
    say({ type: 'state', seq: 12, run: run('r2'), tasks: [task('a', 'failed')] });
    expect(it.byId.get('a')?.state).toBe('running');
  });

  test('shows what a task does, until it is over', () => {
    const { world: it, say } = world();
    say({ type: 'snapshot', seq: 10, runs: [], detail: detail('r1', [task('a', 'running')]) });
    say({ type: 'activity', run: 'r1', task: 'a', phase: 5, action: 'edits x.rs', usage });
    expect(it.byId.get('a')).toMatchObject({ phase: 5, action: 'edits x.rs' });
    say({ type: 'state', seq: 11, run: run('r1'), tasks: [task('a', 'succeeded')] }, { type: 'activity', run: 'r1', task: 'a', action: 'late', usage });
    expect(it.byId.get('a')).toMatchObject({ state: 'succeeded', action: '' });
  });

  test('keeps the events of the run on view, and joins earlier ones to them', () => {
    const { world: it, say } = world();
    say({ type: 'snapshot', seq: 10, runs: [], detail: detail('r1', []) });
    say(event(11, 'run-paused'), { type: 'event', event: { seq: 12, at: at(12), type: 'run-started', run: 'r2' } }, event(13, 'run-resumed'));
    expect(it.events.map((event) => event.seq)).toEqual([11, 13]);
    expect(it.eventsFrom).toBe(11);
    it.addEarlier([9, 10, 11].map((seq) => ({ seq, at: at(seq), type: 'task-held', run: 'r1' })));
    expect(it.events.map((event) => event.seq)).toEqual([9, 10, 11, 13]);
  });

  test('knows when steps begin and end', () => {
    const { world: it, say } = world();
    const first = { ...step, kind: 'setup', from: at(1), to: at(2) };
    say({ type: 'snapshot', seq: 10, runs: [], detail: detail('r1', [task('a')], [first]) });
    const second = { ...step, step: 2 };
    say(event(11, 'step-intended', { ...second, what: { kind: 'verify' } }), event(12, 'step-started', second), event(12, 'step-started', step));
    expect(it.spans).toEqual([first, { ...second, kind: 'verify', from: at(12) }]);
    say(event(20, 'step-ended', second));
    expect(it.spans[1]?.to).toBe(at(20));
  });

  test('forgets a run that is left, and says so where one is none', () => {
    const { world: it, say } = world();
    say({ type: 'snapshot', seq: 10, runs: [], detail: detail('r1', [task('a')]) });
    it.view('r2');
    expect(it.run).toBeNull();
    expect(it.tasks).toEqual([]);
    say({ type: 'detail', detail: detail('r1', [task('a')]) }, { type: 'unknown', run: 'r2' });
    expect(it.run).toBeNull();
    expect(it.unknown).toBe('r2');
  });

  test('has runs newest first, each once', () => {
    const { world: it, say } = world();
    say({ type: 'snapshot', seq: 1, runs: [row('b', 2), row('a', 1)] }, { type: 'runs', runs: [row('c', 3), row('b', 2)] });
    expect(it.runs.map((row) => row.id)).toEqual(['c', 'b', 'a']);
  });
});
