// Events in words, for the log. What an agent said in them is made plain by whoever shows it.

import { duration, many, shortCommit } from './format';
import type { WireEvent } from './wire';

function text(event: WireEvent, field: string): string {
  const value = event[field];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function commit(event: WireEvent, field = 'commit'): string {
  return shortCommit(text(event, field));
}

function ended(event: WireEvent): string {
  const end = object(event.end);
  const exit = object(end.exit);
  const how = Object.entries(exit)
    .map(([key, value]) => (typeof value === 'object' ? key : `${key} ${String(value)}`))
    .join(', ');
  const wall = typeof end.wall === 'number' ? ` after ${duration(end.wall / 1000)}` : '';
  return `${how === '' ? 'ended' : how}${wall}${end.stopped === true ? ', stopped' : ''}`;
}

function phases(event: WireEvent): string {
  const list = Array.isArray(event.phases) ? event.phases : [];
  return list.map((phase) => `${text(phase as WireEvent, 'phase')} ${text(phase as WireEvent, 'status')}`).join(', ');
}

type Says = (event: WireEvent) => string;
const SAYS: Record<string, Says> = {
  'run-paused': (event) => `${text(event, 'cause')} ${text(event, 'detail')}`.trim(),
  'dispatch-held': (event) => `${text(event, 'hold')}: ${text(event, 'reason')}`,
  'dispatch-freed': (event) => text(event, 'hold'),
  'account-limited': (event) => `${text(event, 'agent')}: ${text(event, 'reason')}`,
  'capacity-measured': (event) => text(event, 'reason'),
  'integration-opened': (event) => commit(event),
  'integration-moved': (event) => commit(event),
  'attempt-started': (event) => `from ${commit(event, 'base')}`,
  'workspace-prepared': (event) => text(event, 'branch'),
  'step-intended': (event) => text(object(event.what) as WireEvent, 'kind'),
  'step-started': (event) => (typeof object(event.process).pid === 'number' ? `pid ${String(object(event.process).pid)}` : ''),
  'step-suspected': (event) => (typeof event.quiet === 'number' ? `quiet for ${duration(event.quiet / 1000)}` : ''),
  'step-ended': ended,
  'phase-reached': (event) => text(event, 'phase'),
  'phases-recorded': phases,
  'stop-requested': (event) => text(event, 'cause') || Object.keys(object(event.cause)).join(' '),
  'work-collected': (event) => `${commit(event)}, ${many(Array.isArray(event.changed) ? event.changed.length : 0, 'file')}`,
  'merge-started': (event) => `onto ${commit(event, 'onto')}`,
  'merge-composed': (event) => commit(event),
  'merge-accepted': (event) => (event.verified === true ? 'verified' : 'nothing to verify with'),
  'merge-put-back': (event) => text(event, 'because'),
  'task-merged': (event) => commit(event),
  'attempt-suspended': (event) => text(event, 'because'),
  'task-finished': (event) => [text(event, 'outcome'), text(event, 'verdict'), text(event, 'detail')].filter((word) => word !== '').join(' · '),
  'work-salvaged': (event) => text(event, 'salvage'),
  'task-revived': (event) => text(event, 'with'),
  'run-landed': (event) => `into ${text(event, 'into')}`,
};

/** What an event says beside its type, in one line. */
export function eventWords(event: WireEvent): string {
  return SAYS[event.type]?.(event) ?? '';
}

/** The whole of an event, indented; the plan and settings of a run's beginning are long and stand elsewhere. */
export function eventText(event: WireEvent): string {
  const short = event.type === 'run-started' ? { ...event, plan: '…', settings: '…' } : event;
  return JSON.stringify(short, null, 2);
}
