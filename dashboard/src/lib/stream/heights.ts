// How high the rows of a long list are, and therefore where each one is. A row that was never shown has an estimate; one that was
// shown has what was measured. A million rows take five megabytes here, and each question costs a few microseconds: rows are summed
// in blocks, so that neither "where is row i" nor "which row is at y" looks at every row.

const BLOCK = 512;

/** The heights of rows 0, 1, 2, …, in CSS pixels. */
export class Heights {
  #count = 0;
  #heights = new Float32Array(1024);
  #measured = new Uint8Array(1024);
  #blocks: number[] = [];
  #total = 0;
  readonly #learned: (row: number, height: number) => void;

  /** `learned` hears of each row that is measured for the first time. */
  constructor(learned: (row: number, height: number) => void = () => {}) {
    this.#learned = learned;
  }

  /** How many rows there are. */
  get count(): number {
    return this.#count;
  }

  /** How high all of them are together. */
  get total(): number {
    return this.#total;
  }

  /** Adds a row at the end. */
  push(height: number, measured = false): void {
    const at = this.#count;
    if (at === this.#heights.length) this.#grow(at * 2);
    this.#heights[at] = height;
    this.#measured[at] = measured ? 1 : 0;
    this.#count = at + 1;
    const block = Math.floor(at / BLOCK);
    // What is kept is rounded to single precision: sums are made of what is kept.
    const kept = this.#heights[at] ?? 0;
    this.#blocks[block] = (this.#blocks[block] ?? 0) + kept;
    this.#total += kept;
  }

  /** The height of a row: measured, else estimated. */
  get(row: number): number {
    return this.#heights[row] ?? 0;
  }

  /** Whether a row was measured. */
  isMeasured(row: number): boolean {
    return this.#measured[row] === 1;
  }

  /** Takes a measured height. Gives back by how much the row grew. */
  measure(row: number, height: number): number {
    if (row < 0 || row >= this.#count) return 0;
    if (this.#measured[row] !== 1) {
      this.#measured[row] = 1;
      this.#learned(row, height);
    }
    return this.#set(row, height);
  }

  /** Puts a row between two others. */
  insert(row: number, height: number): void {
    this.push(0);
    const end = this.#count;
    this.#heights.copyWithin(row + 1, row, end - 1);
    this.#measured.copyWithin(row + 1, row, end - 1);
    this.#heights[row] = height;
    this.#measured[row] = 0;
    this.#sum(Math.floor(row / BLOCK));
  }

  /** Estimates anew every row that was never measured. */
  estimate(of: (row: number) => number): void {
    for (let row = 0; row < this.#count; row += 1) {
      if (this.#measured[row] !== 1) this.#heights[row] = of(row);
    }
    this.#sum(0);
  }

  /** Where a row begins. For `count`, the end. */
  top(row: number): number {
    const to = Math.min(Math.max(row, 0), this.#count);
    const block = Math.floor(to / BLOCK);
    let y = 0;
    for (let at = 0; at < block; at += 1) y += this.#blocks[at] ?? 0;
    for (let at = block * BLOCK; at < to; at += 1) y += this.#heights[at] ?? 0;
    return y;
  }

  /** The row that covers `y`: the first for what is above, the last for what is below, -1 where there is none. */
  at(y: number): number {
    if (this.#count === 0) return -1;
    let block = 0;
    let top = 0;
    while (block < this.#blocks.length - 1) {
      const next = top + (this.#blocks[block] ?? 0);
      if (next > y) break;
      top = next;
      block += 1;
    }
    const end = Math.min(this.#count, (block + 1) * BLOCK);
    let row = block * BLOCK;
    while (row < end - 1) {
      const next = top + (this.#heights[row] ?? 0);
      if (next > y) break;
      top = next;
      row += 1;
    }
    return row;
  }

  #set(row: number, height: number): number {
    const old = this.#heights[row] ?? 0;
    this.#heights[row] = height;
    const grown = (this.#heights[row] ?? 0) - old;
    const block = Math.floor(row / BLOCK);
    this.#blocks[block] = (this.#blocks[block] ?? 0) + grown;
    this.#total += grown;
    return grown;
  }

  // Sums blocks anew, from one on.
  #sum(from: number): void {
    this.#blocks.length = from;
    for (let row = from * BLOCK; row < this.#count; row += 1) {
      const block = Math.floor(row / BLOCK);
      this.#blocks[block] = (this.#blocks[block] ?? 0) + (this.#heights[row] ?? 0);
    }
    this.#total = this.#blocks.reduce((total, height) => total + height, 0);
  }

  #grow(length: number): void {
    const heights = new Float32Array(length);
    heights.set(this.#heights);
    this.#heights = heights;
    const measured = new Uint8Array(length);
    measured.set(this.#measured);
    this.#measured = measured;
  }
}
