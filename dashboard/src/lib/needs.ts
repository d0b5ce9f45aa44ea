// What wants a person: words for each kind, and the order in which they are shown.

import type { Sign, Tone } from './states';
import type { Action, NeedKind } from './wire';

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
