// What wants a person: words for each kind, and the order in which they are shown.

import type { Sign, Tone } from './states';
import type { Action, NeedKind, RunRow } from './wire';

/** Runs whose needs are of today: those that are not over, and the one that was over last. What older ones left behind can wait. */
export function current(runs: RunRow[]): Set<string> {
  const last = runs.find((row) => row.status === 'finished');
  return new Set(runs.filter((row) => row.status !== 'finished' || row === last).map((row) => row.id));
}

export const NEED_LOOKS: Record<NeedKind, { word: string; sign: Sign; tone: Tone; rank: number }> = {
  auth: { word: 'Log in again', sign: 'alert', tone: 'bad', rank: 0 },
  failed: { word: 'Failed', sign: 'cross', tone: 'bad', rank: 1 },
  conflict: { word: 'Conflict', sign: 'merge', tone: 'bad', rank: 2 },
  rejected: { word: 'Does not pass', sign: 'cross', tone: 'bad', rank: 3 },
  budget: { word: 'Budget spent', sign: 'alert', tone: 'warn', rank: 4 },
  suspect: { word: 'Quiet', sign: 'alert', tone: 'warn', rank: 5 },
  paused: { word: 'Run paused', sign: 'pause', tone: 'warn', rank: 6 },
  held: { word: 'Task paused', sign: 'pause', tone: 'warn', rank: 7 },
  limit: { word: 'Usage limit', sign: 'clock', tone: 'warn', rank: 8 },
  land: { word: 'Ready to land', sign: 'check', tone: 'ok', rank: 9 },
  kept: { word: 'Workspace kept', sign: 'bar', tone: 'idle', rank: 10 },
};

export const ACTION_WORDS: Record<Action, string> = {
  retry: 'Retry…',
  cancel: 'Cancel…',
  resume: 'Resume…',
  land: 'Land…',
  pause: 'Pause…',
};
