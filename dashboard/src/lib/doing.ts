// What a task is doing, or waits for, in one line. The words are an agent's in part: whoever shows them makes them plain.

import { duration, moment, ms } from './format';
import type { Run, Task } from './wire';

/** Names of tasks, the first few of them. */
export function names(ids: string[], byId: Map<string, Task>, most = 3): string {
  const shown = ids.slice(0, most).map((id) => byId.get(id)?.name ?? id);
  const rest = ids.length - shown.length;
  return rest > 0 ? `${shown.join(', ')} and ${rest} more` : shown.join(', ');
}

const STATE_WORDS: Record<string, string> = {
  preparing: 'Its workspace is being made',
  ready: 'Ready to begin',
  starting: 'Its agent is being started',
  collecting: 'Its work is being collected',
  queued: 'Waits for its turn in the merge queue',
  merging: 'Is being merged in memory',
  verifying: 'The composed tree is being checked',
  advancing: 'The integration branch is being moved',
};

/** The line. */
export function doing(task: Task, byId: Map<string, Task>, now: number): string {
  if (task.over) return task.detail === '' ? verdictWords(task) : task.detail;
  if (task.suspected_seconds !== undefined) return `No sign of life for ${duration(task.suspected_seconds)} and more`;
  if (task.held && task.step_kind === undefined) return 'Paused by somebody: begins nothing until it is resumed';
  if (task.resumes_at !== undefined) return `${again(task.resumes_at, now)}${task.detail === '' ? '' : `: ${task.detail}`}`;
  if (task.state === 'running') return task.action === '' ? (task.step_kind === 'agent' ? 'The agent works' : `Runs ${task.step_kind ?? 'a step'}`) : task.action;
  if (task.waits_for.length > 0) return `Waits for ${names(task.waits_for, byId)}`;
  if (task.state === 'waiting') return 'Waits for a free slot';
  if (task.state === 'suspended') return task.detail === '' ? 'Stopped; is taken up again' : task.detail;
  return STATE_WORDS[task.state] ?? task.action;
}

function again(at: string, now: number): string {
  const seconds = (ms(at) - now) / 1000;
  if (seconds <= 0) return 'Is tried again as soon as there is room';
  return seconds < 3600 ? `Tried again in ${duration(seconds)}` : `Tried again at ${moment(at, now)}`;
}

/** What a task's work is worth, in words. */
export function verdictWords(task: Pick<Task, 'verdict' | 'changed'>): string {
  switch (task.verdict) {
    case 'verified':
      return `Checked and merged${files(task)}`;
    case 'unverified':
      return `Merged; nothing was there to check it with${files(task)}`;
    case 'no-change':
      return 'Nothing had to be changed';
    case 'rejected':
      return 'Did not pass on the composed tree';
    case 'conflict':
      return 'Does not merge';
    default:
      return '';
  }
}

function files(task: Pick<Task, 'changed'>): string {
  const number = task.changed.length;
  return number === 0 ? '' : ` · ${number} ${number === 1 ? 'file' : 'files'}`;
}

/** Tasks about which something wants a person. */
export function wanted(run: Run | null): Set<string> {
  return new Set(run?.needs.flatMap((need) => (need.task === undefined ? [] : [need.task])) ?? []);
}
