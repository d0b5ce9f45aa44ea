// A task with its prompt, plan and attempts, asked for when the page comes to it, and again when it has a new attempt or step or
// stands otherwise. How it stands from moment to moment comes over the page's one line.

import { ApiError, get, taskApi } from '../lib/api';
import { world } from '../lib/page';
import type { Attempt, Failure, Step, Task, TaskDetail } from '../lib/wire';

/** Changes within this time are one, ms. */
const TOGETHER = 250;

export class Detail {
  detail: TaskDetail | null = $state.raw(null);
  failure: Failure | null = $state.raw(null);
  readonly #run: string;
  readonly #task: string;
  readonly #leave = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(run: string, task: string) {
    this.#run = run;
    this.#task = task;
  }

  /** How it stands: as was said last. */
  get task(): Task | null {
    const id = this.detail?.task.id ?? this.#task;
    return world.byId.get(id) ?? this.detail?.task ?? null;
  }

  get attempts(): readonly Attempt[] {
    return this.detail?.attempts ?? [];
  }

  /** What has to change for it to be asked for anew. */
  get stamp(): string {
    const task = this.task;
    return task === null ? '' : [task.attempts, task.steps, task.state, task.step_kind, task.over].join();
  }

  /** Asks anew, soon. */
  refresh(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#ask(), this.detail === null ? 0 : TOGETHER);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#leave.abort();
  }

  async #ask(): Promise<void> {
    try {
      this.detail = await get<TaskDetail>(taskApi(this.#run, this.#task), this.#leave.signal);
      this.failure = null;
    } catch (error) {
      if (this.#leave.signal.aborted) return;
      this.failure = error instanceof ApiError ? error.failure : { code: 'page', message: String(error) };
      if (error instanceof ApiError && error.status === 0) this.#timer = setTimeout(() => void this.#ask(), 2000);
    }
  }
}

/** One step of one attempt. */
export interface Chosen {
  attempt: number;
  step: number;
}

/** The step that an address names, else the latest agent's turn or whatever runs; null: there is none yet. */
export function chosen(attempts: readonly Attempt[], wanted: Partial<Chosen>): Chosen | null {
  const attempt = attempts.find((one) => one.number === wanted.attempt) ?? attempts.findLast((one) => one.steps.length > 0);
  if (attempt === undefined || attempt.steps.length === 0) return null;
  const named = attempt.steps.find((one) => one.number === wanted.step);
  const running = attempt.steps.find((one) => one.started_at !== undefined && one.ended_at === undefined);
  const step = named ?? running ?? attempt.steps.findLast((one) => one.kind === 'agent') ?? attempt.steps.at(-1);
  return step === undefined ? null : { attempt: attempt.number, step: step.number };
}

/** Whether a step came off: `ok`, `bad`, `active` while it runs. */
export function stepTone(step: Step): 'ok' | 'bad' | 'active' | 'idle' {
  if (step.ended_at === undefined) return step.started_at === undefined ? 'idle' : 'active';
  if (step.came_to !== undefined) return step.came_to === 'done' || step.came_to === 'passed' ? 'ok' : 'bad';
  return step.exit === undefined || step.exit === 'exit 0' ? 'ok' : 'bad';
}
