// What a state looks like: a word, a sign and a tone. The sign has a shape of its own for each kind of state, so that nobody
// depends on the colour; the word is always there for those who hear the page.

import type { Counts, Task } from './wire';

/** The kinds of state that the page tells apart, in the order in which they want attention. */
export const GROUPS = ['needs', 'active', 'merging', 'waiting', 'failed', 'done', 'left'] as const;
export type Group = (typeof GROUPS)[number];

/** Names of the colours in styles/tokens.css. */
export type Tone = 'ok' | 'active' | 'merging' | 'warn' | 'bad' | 'idle';

/** Names of the shapes below. */
export type Sign = 'ring' | 'half' | 'play' | 'check' | 'cross' | 'clock' | 'bar' | 'pause' | 'merge' | 'alert' | 'ask';

export type Look = { word: string; sign: Sign; tone: Tone; group: Group };

/** Each shape as a path of a 16 × 16 drawing; lines of 1.75, or filled where it says so. */
export const SIGNS: Record<Sign, { path: string; filled?: true }> = {
  ring: { path: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11' },
  half: { path: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 5v3l2 1.5' },
  play: { path: 'M5 3.2l8 4.8l-8 4.8z', filled: true },
  check: { path: 'M3 8.6l3.2 3.2L13 4.6' },
  cross: { path: 'M4 4l8 8M12 4l-8 8' },
  clock: { path: 'M4 2.5h8M4 13.5h8M4.5 2.5c0 3 7 8 7 11M11.5 2.5c0 3-7 8-7 11' },
  bar: { path: 'M3.5 8h9' },
  pause: { path: 'M5.5 3.5v9M10.5 3.5v9' },
  merge: { path: 'M4 3v10M4 5c0 4 8 2 8 6M12 11m-1.6 0a1.6 1.6 0 1 0 3.2 0a1.6 1.6 0 1 0-3.2 0' },
  alert: { path: 'M8 2.4l6 10.8H2zM8 6.4v3M8 11.4v.2' },
  ask: { path: 'M5.6 6a2.4 2.4 0 1 1 3.6 2.1c-.8.5-1.2.9-1.2 1.8M8 12.4v.2' },
};

const LOOKS: Record<string, Look> = {
  waiting: { word: 'Waiting', sign: 'ring', tone: 'idle', group: 'waiting' },
  preparing: { word: 'Preparing', sign: 'play', tone: 'active', group: 'active' },
  ready: { word: 'Ready', sign: 'ring', tone: 'active', group: 'waiting' },
  starting: { word: 'Starting', sign: 'play', tone: 'active', group: 'active' },
  running: { word: 'Running', sign: 'play', tone: 'active', group: 'active' },
  collecting: { word: 'Collecting', sign: 'play', tone: 'active', group: 'active' },
  suspended: { word: 'Suspended', sign: 'half', tone: 'warn', group: 'waiting' },
  queued: { word: 'Queued to merge', sign: 'merge', tone: 'merging', group: 'merging' },
  merging: { word: 'Merging', sign: 'merge', tone: 'merging', group: 'merging' },
  verifying: { word: 'Verifying', sign: 'merge', tone: 'merging', group: 'merging' },
  advancing: { word: 'Advancing', sign: 'merge', tone: 'merging', group: 'merging' },
  succeeded: { word: 'Succeeded', sign: 'check', tone: 'ok', group: 'done' },
  failed: { word: 'Failed', sign: 'cross', tone: 'bad', group: 'failed' },
  'timed-out': { word: 'Timed out', sign: 'clock', tone: 'bad', group: 'failed' },
  lost: { word: 'Lost', sign: 'ask', tone: 'bad', group: 'failed' },
  cancelled: { word: 'Cancelled', sign: 'bar', tone: 'idle', group: 'left' },
  skipped: { word: 'Skipped', sign: 'bar', tone: 'idle', group: 'left' },
};

/** The look of a state by its word. A word of a newer server is shown as it is. */
export function stateLook(state: string): Look {
  return LOOKS[state] ?? { word: state, sign: 'ask', tone: 'idle', group: 'waiting' };
}

type Standing = Pick<Task, 'state' | 'over' | 'held' | 'verdict' | 'suspected_seconds'>;

/** The look of a task: its state, but for what is more urgent than that. */
export function taskLook(task: Standing): Look {
  const look = stateLook(task.state);
  if (!task.over && task.suspected_seconds !== undefined) return { word: 'Quiet', sign: 'alert', tone: 'warn', group: look.group };
  if (!task.over && task.held) return { ...look, word: `${look.word}, paused`, sign: 'pause', tone: 'warn' };
  if (task.verdict === 'conflict') return { ...look, word: 'Conflict' };
  if (task.verdict === 'rejected') return { ...look, word: 'Rejected' };
  return look;
}

/** What a run's status looks like. One that is over is green only where every task of it is done. */
export function runLook(status: string, counts?: Counts): Look {
  switch (status) {
    case 'active':
      return { word: 'Running', sign: 'play', tone: 'active', group: 'active' };
    case 'paused':
      return { word: 'Paused', sign: 'pause', tone: 'warn', group: 'waiting' };
    case 'ending':
      return { word: 'Ending', sign: 'play', tone: 'active', group: 'active' };
    case 'finished':
      if (counts && counts.succeeded < counts.total) return { word: 'Finished', sign: 'alert', tone: 'warn', group: 'done' };
      return { word: 'Finished', sign: 'check', tone: 'ok', group: 'done' };
    default:
      return { word: status, sign: 'ask', tone: 'idle', group: 'waiting' };
  }
}

/** What keeps a run from beginning more, in a sentence. */
export function holdWords(hold: string): string {
  const words: Record<string, string> = {
    memory: 'Little memory is free: tasks begin one at a time.',
    room: 'The next task is expected to take more memory than is left; smaller ones pass it.',
    cpu: 'The processors are busy: nothing begins beyond the slots that were asked for.',
    disk: 'The disk is nearly full: nothing begins.',
    budget: 'What is left of the budget is set aside for steps that run.',
    alone: 'A task that ran out of memory runs again alone.',
    api: 'The model API is overloaded: tasks begin one at a time.',
  };
  return words[hold] ?? hold;
}

/** Why a run is paused, in a sentence. */
export function pauseWords(because: string | undefined): string {
  switch (because) {
    case 'asked':
      return 'Somebody paused it. What runs goes on; nothing new begins.';
    case 'interrupted':
      return 'It was interrupted. What ran was stopped and can be taken up where it was.';
    case 'engine-lost':
      return 'The engine died and came back. What still runs was adopted; nothing new begins until the run is resumed.';
    case 'auth-refused':
      return 'An agent’s credential was refused. Log in again, then resume.';
    default:
      return because ?? 'It is paused.';
  }
}
