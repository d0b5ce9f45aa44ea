// Work that is done before the next picture is drawn, once, however often it was asked for. A tab that nobody looks at draws no
// pictures: there it is done after a while all the same, so that nothing piles up.

const HIDDEN_MS = 500;

export class Frame {
  readonly #work: () => void;
  #picture = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(work: () => void) {
    this.#work = work;
  }

  /** Asks for it. */
  ask(): void {
    if (this.#timer !== undefined) return;
    const go = () => {
      this.cancel();
      this.#work();
    };
    this.#timer = setTimeout(go, HIDDEN_MS);
    this.#picture = requestAnimationFrame(go);
  }

  cancel(): void {
    cancelAnimationFrame(this.#picture);
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
