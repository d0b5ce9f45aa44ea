// What can be asked of the engine. Nothing is shown as done before the engine said so: a wish is confirmed by a person, sent, and
// answered; what it changed then comes over the same line as everything else.

import { ApiError, post, runApi, taskApi } from './api';
import { many } from './format';
import { plainLine } from './plain';
import type { Accepted, Action, Failure, Landed } from './wire';

/** Something that somebody is about to ask for. */
export type Wish = {
  action: Action;
  run: string;
  /** The task, where it is about one. */
  task?: { id: string; name: string };
};

/** What is said in the live region. */
export type Note = { id: number; tone: 'ok' | 'bad'; text: string; hint?: string };

/** How long a good note stays; a bad one stays until it is put away. */
const NOTE_STAYS = 6000;

class Actions {
  /** What is being confirmed. */
  wish: Wish | null = $state(null);
  busy = $state(false);
  /** Why the last try of this wish was refused. */
  failure: Failure | null = $state(null);
  notes: Note[] = $state([]);
  #next = 1;

  /** Asks a person whether that is meant. */
  ask(wish: Wish): void {
    this.failure = null;
    this.wish = wish;
  }

  /** Puts the question away. */
  drop(): void {
    if (!this.busy) this.wish = null;
  }

  /** Sends what was confirmed. `words`: what a retry says to the agent, or the branch that is landed into. */
  async send(words: string): Promise<void> {
    const wish = this.wish;
    if (wish === null || this.busy) return;
    this.busy = true;
    this.failure = null;
    try {
      const said = await carryOut(wish, words.trim());
      this.wish = null;
      this.say('ok', said);
    } catch (error) {
      this.failure = failureOf(error);
    } finally {
      this.busy = false;
    }
  }

  say(tone: Note['tone'], text: string, hint?: string): void {
    const id = this.#next++;
    this.notes = [...this.notes.slice(-3), hint === undefined ? { id, tone, text } : { id, tone, text, hint }];
    if (tone === 'ok') setTimeout(() => this.putAway(id), NOTE_STAYS);
  }

  putAway(id: number): void {
    this.notes = this.notes.filter((note) => note.id !== id);
  }
}

function failureOf(error: unknown): Failure {
  if (error instanceof ApiError) return error.failure;
  return { code: 'page', message: error instanceof Error ? error.message : String(error) };
}

async function carryOut(wish: Wish, words: string): Promise<string> {
  const { action, run, task } = wish;
  if (action === 'land') {
    const land = { ...(words === '' ? {} : { into: words }), ...(task ? { task: task.id } : {}) };
    const landed = await post<Landed>(runApi(run, '/land'), land);
    return landed.already ? `${plainLine(landed.into)} holds this work already.` : `Landed into ${plainLine(landed.into)}.`;
  }
  if (task) {
    const body = action === 'retry' && words !== '' ? { with: words } : action === 'retry' ? {} : undefined;
    await post<Accepted>(taskApi(run, task.id, `/${action}`), body);
    return `${DONE[action]}: ${plainLine(task.name)}.`;
  }
  const accepted = await post<Accepted>(runApi(run, `/${action}`));
  return `${DONE[action]}: the run, ${many(accepted.tasks, 'task')}.`;
}

const DONE: Record<Exclude<Action, 'land'>, string> = {
  cancel: 'Cancelling',
  retry: 'Taken up again',
  pause: 'Paused',
  resume: 'Goes on',
};

export const actions = new Actions();
