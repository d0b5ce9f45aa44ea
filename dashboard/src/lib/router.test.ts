import { describe, expect, test } from 'vitest';
import { parse, runPath, taskPath } from './router.svelte';

describe('an address', () => {
  test('names a view', () => {
    expect(parse('/')).toEqual({ view: 'home' });
    expect(parse('/runs')).toEqual({ view: 'runs' });
    expect(parse('/runs/r1')).toEqual({ view: 'run', run: 'r1', tab: 'overview' });
    expect(parse('/runs/r1/graph')).toEqual({ view: 'run', run: 'r1', tab: 'graph' });
    expect(parse('/needs')).toEqual({ view: 'needs' });
  });

  test('holds names as they are, whatever they contain', () => {
    const task = 'a/b?c#d%';
    expect(parse(taskPath('r 1', task))).toEqual({ view: 'task', run: 'r 1', task });
    expect(parse(runPath('r/1', 'log'))).toEqual({ view: 'run', run: 'r/1', tab: 'log' });
  });

  test('that is none is said to be missing', () => {
    for (const path of ['/x', '/runs/r1/nothing', '/runs/r1/tasks', '/runs/r1/graph/x', '/needs/x', '/runs/r/tasks/t/x']) {
      expect(parse(path)).toEqual({ view: 'missing', path });
    }
    expect(parse('/runs/%E0%A4%A')).toEqual({ view: 'run', run: '%E0%A4%A', tab: 'overview' });
  });
});
