// Where a long list is looked at. The browser's scroll bar moves over a box that is as high as all rows together, but never higher
// than browsers can have a box; which rows are in view is reckoned here, apart from it: rows that turn out higher or lower than was
// thought move nothing that somebody looks at, and no correction fights with a wheel that still turns. Once the scrolling rests, the
// bar is put where it belongs (`settle`).

import type { Heights } from './heights';

/** The highest box that is made, CSS pixels. Firefox ends at 17.8 million, Chromium at 33.5 million. */
export const HIGHEST = 8_000_000;

/** Rows that are drawn beyond each edge of what is in view, CSS pixels. */
export const MARGIN = 600;

/** Nearer to the end than this is at the end, CSS pixels. */
const NEAR = 2;

/** A part of a list. */
export interface Range {
  /** The first row. */
  first: number;
  /** The row after the last. */
  end: number;
}

export class Viewport {
  heights: Heights;
  /** How high what is in view is. */
  size = 0;
  /** What of the list lies above what is in view. */
  top = 0;
  /** Whether it stays at the end, whatever comes. */
  follow = false;
  /** The row that stays where it is while heights change; none: the first that begins in view. */
  pin = -1;
  #bar = 0;

  constructor(heights: Heights) {
    this.heights = heights;
  }

  /** Where the bar was last, by somebody or by {@link settle}. */
  get bar(): number {
    return this.#bar;
  }

  /** The furthest that `top` can be. */
  get furthest(): number {
    return Math.max(0, this.heights.total - this.size);
  }

  /** How high the scrolled box is. */
  get box(): number {
    return Math.min(this.heights.total, HIGHEST);
  }

  /** Where a row is to be drawn in the scrolled box. */
  place(row: number): number {
    return this.heights.top(row) - this.top + this.#bar;
  }

  /** Whether the end is in view. */
  get atEnd(): boolean {
    return this.top >= this.furthest - NEAR;
  }

  /** The rows that are to be drawn. */
  range(margin = MARGIN): Range {
    if (this.heights.count === 0 || this.size === 0) return { first: 0, end: 0 };
    return {
      first: Math.max(0, this.heights.at(this.top - margin)),
      end: this.heights.at(this.top + this.size + margin) + 1,
    };
  }

  /** The bar was moved: by little, the rows move as far; by much, to what lies there. */
  scrolled(bar: number): void {
    const by = bar - this.#bar;
    this.#bar = bar;
    if (by === 0) return;
    if (Math.abs(by) < 3 * this.size) this.top += by;
    else this.top = this.#fromBar(bar);
    this.#clamp();
  }

  /** Takes a measured height: what is looked at stays where it is. */
  measure(row: number, height: number): number {
    const fixed = this.#fixed();
    const grown = this.heights.measure(row, height);
    if (row < fixed && !this.follow) this.top += grown;
    return grown;
  }

  /** Changes heights: what is looked at stays where it is. */
  keep(change: () => void): void {
    const fixed = this.#fixed();
    const seen = this.heights.top(fixed) - this.top;
    change();
    if (!this.follow) this.top = this.heights.top(fixed) - seen;
    this.rest();
  }

  /** After rows came or changed: the end, where it is followed. */
  rest(): void {
    if (this.follow) this.top = this.furthest;
    this.#clamp();
  }

  /** Puts a row in view: at the top, in the middle, or, where it is in view already, nowhere else. */
  show(row: number, where: 'start' | 'center' | 'nearest'): void {
    const top = this.heights.top(row);
    const height = this.heights.get(row);
    if (where === 'start') this.top = top;
    else if (where === 'center') this.top = top - Math.max(0, (this.size - height) / 2);
    else if (top < this.top) this.top = top;
    else if (top + height > this.top + this.size) this.top = Math.min(top, top + height - this.size);
    this.#clamp();
  }

  /** Where the bar belongs, if it is not there: it is taken to be put there. */
  settle(): number | null {
    const bar = this.#toBar(this.top);
    if (Math.abs(bar - this.#bar) < 1) return null;
    this.#bar = bar;
    return bar;
  }

  /** Whether the bar is at an end where the list is not: it has to be settled at once, else nobody could scroll on. */
  get stuck(): boolean {
    const most = Math.max(0, this.box - this.size);
    return (this.#bar <= 0 && this.top > 1) || (this.#bar >= most && this.top < this.furthest - 1);
  }

  #fixed(): number {
    if (this.pin >= 0) return this.pin;
    const row = this.heights.at(this.top);
    return this.heights.top(row) < this.top ? row + 1 : row;
  }

  #clamp(): void {
    this.top = Math.min(Math.max(0, this.top), this.furthest);
  }

  #fromBar(bar: number): number {
    if (this.heights.total <= HIGHEST) return bar;
    return (bar / (HIGHEST - this.size)) * this.furthest;
  }

  #toBar(top: number): number {
    if (this.heights.total <= HIGHEST) return top;
    return (top / this.furthest) * (HIGHEST - this.size);
  }
}
