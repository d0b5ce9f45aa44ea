// What the page knows: the runs, the one on view, the machine. Everything here was said by the server; nothing is worked out from
// events but when steps began and ended. Messages are gathered for a blink and taken together, so that sixty agents cost one
// redraw and not hundreds.

import type { Listener } from './connection.svelte';
import { Spans } from './spans';
import type { Machine, MachineFigure, Message, Plan, RateLimit, Run, RunDetail, RunRow, Span, Task, WireEvent } from './wire';

/** Between two takings: three or four frames. */
const BLINK = 50;
/** Events of the run on view that are kept; 50,000 of some 400 bytes are 20 MB. */
export const KEPT_EVENTS = 50_000;
/** Looks at the machine that are kept: an hour of one every two seconds. */
const KEPT_FIGURES = 1800;

export class World {
  /** The name of the repository's folder; empty until it was said. */
  repository = $state('');
  /** Newest first. */
  runs: RunRow[] = $state.raw([]);
  /** Whether the list of runs was had at all. */
  known = $state(false);
  /** The run on view, by its id. */
  watched: string | null = $state(null);
  /** Its detail; null until it came. */
  run: Run | null = $state.raw(null);
  tasks: Task[] = $state.raw([]);
  plan: Plan | null = $state.raw(null);
  spans: Span[] = $state.raw([]);
  /** The run that was asked for and is none. */
  unknown: string | null = $state(null);
  machine: MachineFigure | null = $state.raw(null);
  machineHistory: MachineFigure[] = $state.raw([]);
  limits: RateLimit[] = $state.raw([]);
  /** Tasks of the run on view by id. */
  readonly byId: Map<string, Task> = $derived(new Map(this.tasks.map((task) => [task.id, task])));

  /** Events of the watched run from this number on were heard live; earlier ones have to be fetched. */
  eventsFrom = $state(0);
  #events: WireEvent[] = [];
  #eventsChanged = $state(0);

  #spans = new Spans();
  /** When each task's figures were said, for those that count on. */
  #heard = new WeakMap<Task, number>();
  #waiting: Message[] = [];
  #timer: ReturnType<typeof setTimeout> | null = null;
  #seq = 0;

  /** The listener for the connection. */
  readonly listener: Listener = {
    take: (message) => {
      this.#waiting.push(message);
      this.#timer ??= setTimeout(() => this.flush(), BLINK);
    },
  };

  /** Events of the run on view, in order; the array is the same one, and grows. */
  get events(): WireEvent[] {
    void this.#eventsChanged;
    return this.#events;
  }

  /** Puts a run on view. What is known of another is forgotten. */
  view(run: string): void {
    if (this.watched === run) return;
    this.flush();
    this.watched = run;
    this.unknown = null;
    this.run = null;
    this.tasks = [];
    this.plan = null;
    this.spans = [];
    this.#spans = new Spans();
    this.#restartEvents();
  }

  /** The measured time of a task's steps, counted on while one runs. */
  elapsed(task: Task, now: number): number {
    if (task.over || task.step_kind === undefined) return task.elapsed_seconds;
    const heard = this.#heard.get(task) ?? now;
    return task.elapsed_seconds + Math.max(0, now - heard) / 1000;
  }

  /** Events of the run on view that came before those that were heard, oldest first. */
  addEarlier(events: WireEvent[]): void {
    const first = this.#events[0]?.seq ?? Infinity;
    const earlier = events.filter((event) => event.seq < first);
    if (earlier.length === 0) return;
    this.#events = [...earlier, ...this.#events];
    this.#bound();
    this.#eventsChanged += 1;
  }

  /** Rows of a further page of runs. */
  addRuns(rows: RunRow[]): void {
    const named = new Map(this.runs.map((row) => [row.id, row]));
    for (const row of rows) named.set(row.id, row);
    this.runs = [...named.values()].sort((one, other) => (one.started_at < other.started_at ? 1 : -1));
  }

  /** Takes the machine as a request gave it. */
  addMachine(machine: Machine): void {
    this.machine = machine.now;
    this.limits = machine.limits;
    const newest = machine.history[machine.history.length - 1]?.at ?? '';
    this.machineHistory = [...machine.history, ...this.machineHistory.filter((figure) => figure.at > newest)];
  }

  /** Takes what was said since the last blink. */
  flush(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const messages = this.#waiting;
    this.#waiting = [];
    const tasks = new Map<string, Task>();
    let events = 0;
    let spans = false;
    for (const message of messages) {
      if (message.type === 'event') {
        this.#seq = message.event.seq;
        if (message.event.run !== this.watched) continue;
        this.#events.push(message.event);
        events += 1;
        spans = this.#spans.take(message.event) || spans;
      } else if (message.type === 'state') {
        if (message.run.id !== this.watched || this.run === null) continue;
        this.run = message.run;
        for (const task of message.tasks) {
          this.#heard.set(task, Date.now());
          tasks.set(task.id, task);
        }
      } else if (message.type === 'activity') {
        const task = tasks.get(message.task) ?? this.byId.get(message.task);
        if (message.run !== this.watched || task === undefined || task.over) continue;
        const doing = { ...task, phase: message.phase ?? task.phase, action: message.action, usage: message.usage };
        this.#heard.set(doing, this.#heard.get(task) ?? Date.now());
        tasks.set(task.id, doing);
      } else {
        this.#patch(tasks);
        tasks.clear();
        this.#take(message);
      }
    }
    this.#patch(tasks);
    if (spans) this.spans = this.#spans.list();
    if (events > 0) {
      this.#bound();
      this.#eventsChanged += 1;
    }
  }

  #patch(changed: Map<string, Task>): void {
    if (changed.size === 0) return;
    this.tasks = this.tasks.map((task) => changed.get(task.id) ?? task);
  }

  #take(message: Message): void {
    switch (message.type) {
      case 'snapshot':
        this.#seq = message.seq;
        this.repository = message.repository;
        this.runs = message.runs;
        this.known = true;
        if (message.machine) this.#look(message.machine);
        this.#restartEvents();
        if (message.detail && (this.watched === null || this.watched === message.detail.run.id)) this.#detail(message.detail);
        return;
      case 'resumed':
        this.repository = message.repository;
        return;
      case 'detail':
        this.#detail(message.detail);
        return;
      case 'unknown':
        if (message.run === this.watched) this.unknown = message.run;
        return;
      case 'runs':
        this.addRuns(message.runs);
        return;
      case 'machine':
        this.#look(message.machine);
        this.limits = message.limits;
        return;
      default:
    }
  }

  #detail(detail: RunDetail): void {
    this.watched ??= detail.run.id;
    if (this.watched !== detail.run.id) return;
    this.run = detail.run;
    this.tasks = detail.tasks;
    for (const task of detail.tasks) this.#heard.set(task, Date.now());
    this.plan = detail.plan;
    this.#spans.reset(detail.spans);
    this.spans = this.#spans.list();
    this.unknown = null;
  }

  #look(figure: MachineFigure): void {
    this.machine = figure;
    const newest = this.machineHistory[this.machineHistory.length - 1];
    if (newest !== undefined && figure.at <= newest.at) return;
    this.machineHistory = [...this.machineHistory.slice(-KEPT_FIGURES + 1), figure];
  }

  #restartEvents(): void {
    this.#events = [];
    this.eventsFrom = this.#seq + 1;
    this.#eventsChanged += 1;
  }

  #bound(): void {
    // A tenth is let go at once, so that it is not done for every event.
    if (this.#events.length > KEPT_EVENTS * 1.1) this.#events = this.#events.slice(-KEPT_EVENTS);
  }
}
