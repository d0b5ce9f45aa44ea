// Steps on the time line. They come with the run's detail; those that begin and end after it are read from the events, which is
// all that a step's beginning and end are.

import type { Span, WireEvent } from './wire';

function key(task: string, attempt: number, step: number): string {
  return `${attempt}/${step}/${task}`;
}

/** The kind of step that a `step-intended` tells of. In the log it is an object with a `kind`, or the word itself. */
function kindOf(what: unknown): string {
  if (typeof what === 'string') return what;
  if (typeof what !== 'object' || what === null) return 'agent';
  if ('kind' in what && typeof what.kind === 'string') return what.kind;
  return Object.keys(what)[0] ?? 'agent';
}

export class Spans {
  #spans = new Map<string, Span>();
  #kinds = new Map<string, string>();

  /** Takes the steps of a detail in place of what was known. Steps that were heard of as intended stay so. */
  reset(spans: Span[]): void {
    this.#spans = new Map(spans.map((span) => [key(span.task, span.attempt, span.step), span]));
  }

  /** Takes an event of the run; whether it changed anything. */
  take(event: WireEvent): boolean {
    if (event.task === undefined || event.attempt === undefined || event.step === undefined) return false;
    const name = key(event.task, event.attempt, event.step);
    const known = this.#spans.get(name);
    switch (event.type) {
      case 'step-intended':
        this.#kinds.set(name, kindOf(event.what));
        return false;
      case 'step-started':
        if (known) return false;
        this.#spans.set(name, { task: event.task, attempt: event.attempt, step: event.step, kind: this.#kinds.get(name) ?? 'agent', from: event.at });
        return true;
      case 'step-ended':
        if (!known || known.to !== undefined) return false;
        this.#spans.set(name, { ...known, to: event.at });
        return true;
      default:
        return false;
    }
  }

  /** All of them, in the order of their beginnings. */
  list(): Span[] {
    return [...this.#spans.values()].sort((one, other) => (one.from < other.from ? -1 : one.from > other.from ? 1 : 0));
  }
}
