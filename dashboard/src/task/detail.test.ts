import { describe, expect, test } from 'vitest';
import { chosen, stepTone } from './detail.svelte';
import type { Attempt, Step } from '../lib/wire';

const usage = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0, tokens: 0, cost_usd: 0 };

function step(number: number, kind: string, words: Partial<Step> = {}): Step {
  return { number, kind, usage, stdout_bytes: 0, stderr_bytes: 0, started_at: 'x', ended_at: 'y', ...words };
}

function attempt(number: number, steps: Step[]): Attempt {
  return { number, started_at: 'x', steps };
}

describe('the step on view', () => {
  const first = attempt(1, [step(1, 'setup'), step(2, 'agent'), step(3, 'verify')]);

  test('is the one that runs, else the latest turn of the agent', () => {
    expect(chosen([first], {})).toEqual({ attempt: 1, step: 2 });
    expect(chosen([first, attempt(2, [step(1, 'setup', { ended_at: undefined })])], {})).toEqual({ attempt: 2, step: 1 });
    expect(chosen([attempt(1, [step(1, 'setup')])], {})).toEqual({ attempt: 1, step: 1 });
  });

  test('is the one that an address names, where there is such a one', () => {
    expect(chosen([first], { attempt: 1, step: 3 })).toEqual({ attempt: 1, step: 3 });
    expect(chosen([first], { attempt: 9, step: 9 })).toEqual({ attempt: 1, step: 2 });
  });

  test('is none before there is one', () => {
    expect(chosen([], {})).toBeNull();
    expect(chosen([attempt(1, [])], {})).toBeNull();
    expect(chosen([first, attempt(2, [])], {})).toEqual({ attempt: 1, step: 2 });
  });
});

test('a step came off, or not, or is under way', () => {
  expect(stepTone(step(1, 'agent', { came_to: 'done' }))).toBe('ok');
  expect(stepTone(step(1, 'agent', { came_to: 'max-turns' }))).toBe('bad');
  expect(stepTone(step(1, 'setup', { exit: 'exit 0' }))).toBe('ok');
  expect(stepTone(step(1, 'setup', { exit: 'signal 9' }))).toBe('bad');
  expect(stepTone(step(1, 'agent', { ended_at: undefined }))).toBe('active');
  expect(stepTone(step(1, 'agent', { started_at: undefined, ended_at: undefined }))).toBe('idle');
});
