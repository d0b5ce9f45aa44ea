// How each kind of entry is named and signed. The signs are paths of a 16 × 16 drawing, lines of 1.5.

import type { Entry, EntryKind } from '../../wire';

export interface KindLook {
  /** The kind in a word, for those who hear the page. */
  word: string;
  sign: string;
}

export const KIND_LOOKS: Record<EntryKind, KindLook> = {
  text: { word: 'Words', sign: 'M2.5 3.5h11v7h-6l-3 2.5v-2.5h-2z' },
  thinking: { word: 'Thinking', sign: 'M5 12.5h6M6 14.5h4M8 1.5a4.5 4.5 0 0 0-2.5 8.2v.8h5v-.8A4.5 4.5 0 0 0 8 1.5z' },
  tool: { word: 'Tool', sign: 'M3 4l4 4l-4 4M8.5 12h5' },
  edit: { word: 'Edit', sign: 'M3 13l.7-3L11 2.7l2.3 2.3L6 12.3zM9.5 4.2l2.3 2.3' },
  todo: { word: 'List', sign: 'M2.5 4l1.2 1.2L6 3M2.5 10.5l1.2 1.2L6 9.5M8.5 4.5h5M8.5 11h5' },
  result: { word: 'Result', sign: 'M13 4v4H4M7 5L4 8l3 3' },
  error: { word: 'Error', sign: 'M8 2.4l6 10.8H2zM8 6.4v3M8 11.4v.2' },
  note: { word: 'Note', sign: 'M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11M8 7.5v3.5M8 5v.2' },
  phase: { word: 'Phase', sign: 'M4 14V2.5h8l-2 3l2 3H4' },
  final: { word: 'Last word', sign: 'M3 8.6l3.2 3.2L13 4.6' },
  raw: { word: 'Line', sign: 'M3 4.5h10M3 8h10M3 11.5h6' },
};

/** The sign of what went wrong, where the kind's own would say that it went well. */
const FAILED = 'M4 4l8 8M12 4l-8 8';

export function signOf(entry: Pick<Entry, 'kind' | 'is_error'>): string {
  return entry.kind === 'final' && entry.is_error ? FAILED : KIND_LOOKS[entry.kind].sign;
}

/** What is offered as a filter: kinds that belong together. */
export const GROUPS: readonly { word: string; kinds: readonly EntryKind[] }[] = [
  { word: 'Words', kinds: ['text', 'final'] },
  { word: 'Thinking', kinds: ['thinking'] },
  { word: 'Tools', kinds: ['tool', 'result'] },
  { word: 'Edits', kinds: ['edit'] },
  { word: 'Lists', kinds: ['todo'] },
  { word: 'Phases', kinds: ['phase'] },
  { word: 'Notes', kinds: ['note', 'error'] },
  { word: 'Lines', kinds: ['raw'] },
];
