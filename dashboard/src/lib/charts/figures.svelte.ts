// Figures of a run's steps, asked for again while the run goes on.

import { get, runApi } from '../api';
import type { Figures, FigureSeries } from '../wire';

/** Between two askings, ms. */
const AGAIN = 5000;

/** Points of each step that are asked for. */
const POINTS = 300;

export class FiguresOf {
  series: FigureSeries[] = $state.raw([]);
  /** Whether an answer came. */
  known = $state(false);
  trouble = $state('');
  readonly #run: string;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #leave = new AbortController();

  constructor(run: string) {
    this.#run = run;
  }

  /** Asks, and while `going` says so asks again. Gives back what ends that. */
  follow(going: () => boolean): () => void {
    const ask = async () => {
      await this.#ask();
      if (!this.#leave.signal.aborted && (going() || this.trouble !== '')) this.#timer = setTimeout(() => void turn(), AGAIN);
    };
    const turn = async () => {
      if (document.hidden) this.#timer = setTimeout(() => void turn(), AGAIN);
      else await ask();
    };
    void ask();
    return () => {
      clearTimeout(this.#timer);
      this.#leave.abort();
    };
  }

  async #ask(): Promise<void> {
    try {
      const figures = await get<Figures>(`${runApi(this.#run, '/figures')}?points=${POINTS}`, this.#leave.signal);
      this.series = figures.series;
      this.known = true;
      this.trouble = '';
    } catch (error) {
      if (!this.#leave.signal.aborted) this.trouble = error instanceof Error ? error.message : String(error);
    }
  }
}
