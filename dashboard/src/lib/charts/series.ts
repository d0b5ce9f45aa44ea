// From what was measured of steps to lines that can be drawn: one row of moments, and for each line a value at each of them.

import type { Figure, FigureSeries, MachineFigure, Span } from '../wire';

/** A line: a value at each moment, or none. */
export type Values = (number | null)[];

export interface Plotted {
  /** Moments, seconds since 1970. */
  x: number[];
  cpu: Values;
  memory: Values;
  tokens: Values;
  cost: Values;
  /** Steps that ran. */
  steps: Values;
}

/** A look holds until the next, but no longer than this, and, where none follows, no longer than {@link LAST}: seconds. None holds
 * longer than its step, nor beyond the next step of its task: a task has one step at a time. */
const HOLDS = 60;
const LAST = 2;

const seconds = (moment: string): number => Date.parse(moment) / 1000;

/** Moments at the same distance from one end to the other. */
export function moments(from: number, to: number, many: number): number[] {
  if (!(to > from)) return Number.isFinite(from) ? [from] : [];
  const step = (to - from) / Math.max(1, many - 1);
  return Array.from({ length: many }, (_, at) => from + at * step);
}

interface Known {
  at: number;
  /** Until when it holds. */
  until: number;
  figure: Figure;
}

type Step = Pick<Span, 'task' | 'attempt' | 'step'>;
const key = ({ task, attempt, step }: Step): string => `${attempt}/${step}/${task}`;

/** When each step was over at the latest: as it is known, and before the next one of its task began. */
function ends(series: readonly FigureSeries[], spans: readonly Span[]): Map<string, number> {
  const found = new Map(spans.flatMap((span) => (span.to === undefined ? [] : [[key(span), seconds(span.to)] as const])));
  const inTurn = series.filter((one) => one.points.length > 0).sort((one, other) => other.attempt - one.attempt || other.step - one.step);
  const began = new Map<string, number>();
  for (const one of inTurn) {
    const [own, next] = [found.get(key(one)) ?? Infinity, began.get(one.task) ?? Infinity];
    found.set(key(one), Math.min(own, next));
    began.set(one.task, seconds(one.points[0]?.at ?? ''));
  }
  return found;
}

function known(points: readonly Figure[], end: number): Known[] {
  return points.map((figure, index) => {
    const at = seconds(figure.at);
    const next = points[index + 1];
    const own = at + Math.max(figure.span_seconds, LAST);
    const until = next === undefined ? own : Math.min(Math.max(seconds(next.at), at), at + Math.max(figure.span_seconds * 2, HOLDS));
    return { at, until: Math.max(at, Math.min(until, end)), figure };
  });
}

/** Adds to a line; nothing and a number is the number. */
function add(values: Values, at: number, value: number): void {
  values[at] = (values[at] ?? 0) + value;
}

/** What steps used together: processors and memory while they run, tokens and cost added up. */
export function plotted(series: readonly FigureSeries[], spans: readonly Span[] = [], many = 300): Plotted {
  const over = ends(series, spans);
  const all = series.map((one) => known(one.points, over.get(key(one)) ?? Infinity)).filter((points) => points.length > 0);
  const from = Math.min(...all.map((points) => points[0]?.at ?? Infinity));
  const to = Math.max(...all.map((points) => points.at(-1)?.until ?? -Infinity));
  const x = all.length === 0 ? [] : moments(from, Math.max(to, from + 1), many);
  const none = (): Values => x.map(() => null);
  const out: Plotted = { x, cpu: none(), memory: none(), tokens: none(), cost: none(), steps: none() };
  for (const points of all) lay(out, points);
  // When steps began and ended is known to the millisecond; they are looked at every two seconds.
  if (spans.length > 0) out.steps = atWork(x, spans);
  return out;
}

function atWork(x: readonly number[], spans: readonly Span[]): Values {
  const changes = spans
    .flatMap((span) => [[seconds(span.from), 1] as const, [span.to === undefined ? Infinity : seconds(span.to), -1] as const])
    .sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  let [next, running] = [0, 0];
  return x.map((moment) => {
    for (; next < changes.length && (changes[next]?.[0] ?? Infinity) <= moment; next += 1) running += changes[next]?.[1] ?? 0;
    return running;
  });
}

function lay(out: Plotted, points: readonly Known[]): void {
  let next = 0;
  const last = (out.x.at(-1) ?? 0) - 1e-6;
  out.x.forEach((moment, at) => {
    while (next < points.length && (points[next]?.at ?? Infinity) <= moment + 1e-6) next += 1;
    const point = points[next - 1];
    if (point === undefined) return;
    // What ends where another begins is over there; at the edge of the picture it is seen to the end.
    if (moment < point.until || point.until >= last) {
      add(out.cpu, at, point.figure.cpu_percent);
      add(out.memory, at, point.figure.memory_mb);
      add(out.steps, at, 1);
    }
    // What was spent stays spent.
    if (point.figure.tokens !== undefined) add(out.tokens, at, point.figure.tokens);
    if (point.figure.cost_usd !== undefined) add(out.cost, at, point.figure.cost_usd);
  });
}

/** What the machine had. */
export interface MachinePlotted {
  x: number[];
  cpu: Values;
  load: Values;
  used: Values;
  agents: Values;
  disk: Values;
  steps: Values;
}

export function machinePlotted(history: readonly MachineFigure[]): MachinePlotted {
  const of = (value: (figure: MachineFigure) => number | undefined): Values => history.map((figure) => value(figure) ?? null);
  return {
    x: history.map((figure) => seconds(figure.at)),
    cpu: of((figure) => figure.cpu_percent),
    load: of((figure) => figure.load),
    used: of((figure) => (figure.memory_total_mb === undefined || figure.memory_available_mb === undefined ? undefined : figure.memory_total_mb - figure.memory_available_mb)),
    agents: of((figure) => figure.agents_memory_mb),
    disk: of((figure) => figure.disk_free_mb),
    steps: of((figure) => figure.steps),
  };
}

/** A line in a few numbers, for those who do not see it. */
export interface Summary {
  least: number;
  mean: number;
  most: number;
  last: number;
}

export function summary(values: Values): Summary | null {
  const numbers = values.filter((value): value is number => value !== null);
  const last = numbers.at(-1);
  if (last === undefined) return null;
  let [least, most, sum] = [Infinity, -Infinity, 0];
  for (const value of numbers) {
    least = Math.min(least, value);
    most = Math.max(most, value);
    sum += value;
  }
  return { least, mean: sum / numbers.length, most, last };
}
