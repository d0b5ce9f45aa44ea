// A long table of which only the parts near sight are in the document: it is cut into groups of rows, and a group that is far away
// is one empty row of its height. The first and the last group are always there, so that "to the beginning" and "to the end" find
// their rows, and so is the one that has the focus.

import { SvelteSet } from 'svelte/reactivity';
import type { Attachment } from 'svelte/attachments';

/** Rows in a group. */
export const GROUP = 40;
/** Up to so many rows all are there: nothing is gained, and the browser's own search finds them. */
export const ALL = 160;
/** How far beyond the edges of the window a group is there already. */
const BEYOND = '1500px 0px';

/** Cuts rows into groups; few are one. */
export function groups<T>(rows: readonly T[]): T[][] {
  if (rows.length <= ALL) return [[...rows]];
  return Array.from({ length: Math.ceil(rows.length / GROUP) }, (_, at) => rows.slice(at * GROUP, (at + 1) * GROUP));
}

export class Chunks {
  /** The group that has the focus. */
  held = $state(-1);
  readonly #near = new SvelteSet<number>();
  readonly #heights = new Map<number, { height: number; rows: number }>();
  readonly #at = new WeakMap<Element, number>();
  readonly #rows = new WeakMap<Element, () => number>();
  #guess: number;
  #observer: IntersectionObserver | null = null;

  /** @param guess the height of a row before any was seen, pixels */
  constructor(guess: number) {
    this.#guess = guess;
  }

  /** Whether the rows of a group are to be there. */
  has(at: number, of: number): boolean {
    return at === 0 || at === of - 1 || at === this.held || this.#near.has(at);
  }

  /** The height of a group that is not there. */
  height(at: number, rows: number): number {
    const known = this.#heights.get(at);
    return known?.rows === rows ? known.height : rows * this.#guess;
  }

  /** Watches where a group is. */
  watch(at: number, rows: () => number): Attachment<HTMLElement> {
    return (element) => {
      this.#observer ??= new IntersectionObserver((entries) => this.#moved(entries), { rootMargin: BEYOND });
      this.#at.set(element, at);
      this.#rows.set(element, rows);
      this.#observer.observe(element);
      return () => {
        this.#observer?.unobserve(element);
        this.#near.delete(at);
      };
    };
  }

  #moved(entries: IntersectionObserverEntry[]): void {
    for (const entry of entries) {
      const at = this.#at.get(entry.target);
      if (at === undefined) continue;
      if (entry.isIntersecting) this.#near.add(at);
      else if (this.#near.delete(at)) this.#left(at, entry);
    }
  }

  // What leaves is as high as it was; others are taken to be as this one.
  #left(at: number, entry: IntersectionObserverEntry): void {
    const rows = this.#rows.get(entry.target)?.() ?? 0;
    const height = entry.boundingClientRect.height;
    if (rows === 0 || height === 0) return;
    this.#heights.set(at, { height, rows });
    this.#guess = height / rows;
  }
}
