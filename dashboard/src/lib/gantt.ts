// The time line of a run, worked out: which rows, which bars, which waits, what is still to come.

import type { Run, Span, Task } from './wire';

export type Bar = { key: string; kind: string; from: number; to: number; open: boolean; span: Span };
export type Wait = { from: number; to: number; before: boolean };
export type Row = { task: Task; bars: Bar[]; waits: Wait[]; ghost: { from: number; to: number } | null };
export type Gantt = { rows: Row[]; from: number; to: number };

/** Steps of the scale, milliseconds. */
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400].map((seconds) => seconds * 1000);

/** Moments for the scale: round in the reader's zone, and at least `apart` pixels from each other. */
export function ticks(from: number, to: number, pixelsPerMs: number, apart = 90): number[] {
  const step = TICKS.find((tick) => tick * pixelsPerMs >= apart) ?? 86_400_000;
  const zone = new Date(from).getTimezoneOffset() * 60_000;
  const list: number[] = [];
  for (let at = Math.ceil((from - zone) / step) * step + zone; at <= to; at += step) list.push(at);
  return list;
}

/** What is to come, as the engine expects it; of tasks that are under way, what is left. */
export function ghosts(run: Run, now: number): Map<string, { from: number; to: number }> {
  const coming = (run.status === 'active' && run.forecast?.tasks) || [];
  return new Map(
    coming.flatMap(({ task, begins_at, ends_at }) => {
      const [from, to] = [Math.max(now, Date.parse(begins_at)), Date.parse(ends_at)];
      return to > from ? [[task, { from, to }] as const] : [];
    }),
  );
}

/** The time line. */
export function gantt(run: Run, tasks: Task[], spans: Span[], coming: Map<string, { from: number; to: number }>, now: number): Gantt {
  const from = Date.parse(run.started_at);
  const end = run.finished_at === undefined ? now : Date.parse(run.finished_at);
  const byTask = new Map<string, Bar[]>();
  for (const span of spans) {
    const open = span.to === undefined;
    const begun = Date.parse(span.from);
    const to = span.to === undefined ? Math.max(end, begun) : Date.parse(span.to);
    const bar = { key: `${span.attempt}.${span.step}`, kind: span.kind, from: begun, to, open, span };
    const bars = byTask.get(span.task);
    if (bars) bars.push(bar);
    else byTask.set(span.task, [bar]);
  }
  let to = end;
  const rows = tasks.map((task): Row => {
    const bars = byTask.get(task.id) ?? [];
    const ghost = task.over ? null : (coming.get(task.id) ?? null);
    if (ghost) to = Math.max(to, ghost.to);
    return { task, bars, waits: waits(task, bars, from, end), ghost };
  });
  if (run.forecast && run.status === 'active') to = Math.max(to, Date.parse(run.forecast.ends_at));
  const place = new Map(tasks.map((task, at) => [task.id, at]));
  const first = (row: Row) => row.bars[0]?.from ?? row.ghost?.from ?? Infinity;
  rows.sort((one, other) => {
    const [a, b] = [first(one), first(other)];
    return a === b ? (place.get(one.task.id) ?? 0) - (place.get(other.task.id) ?? 0) : a - b;
  });
  return { rows, from, to: Math.max(to, from + 1000) };
}

// Where a task had begun or could have, and no step ran.
function waits(task: Task, bars: Bar[], from: number, end: number): Wait[] {
  const list: Wait[] = [];
  const first = bars[0];
  const over = task.over ? (task.finished_at === undefined ? (bars[bars.length - 1]?.to ?? from) : Date.parse(task.finished_at)) : end;
  if (!first) return over > from && !(task.over && task.attempts === 0) ? [{ from, to: over, before: true }] : [];
  if (first.from > from) list.push({ from, to: first.from, before: true });
  let at = first.to;
  for (const bar of bars.slice(1)) {
    if (bar.from > at) list.push({ from: at, to: bar.from, before: false });
    at = Math.max(at, bar.to);
  }
  if (over > at) list.push({ from: at, to: over, before: false });
  return list;
}
