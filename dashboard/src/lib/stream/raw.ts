// The bytes of a stream as they are, in blocks of the same size, of which only those in view are in memory. A block shows the lines
// that begin in it: it reads a little beyond its end to finish the last of them, and leaves out what belongs to a line of the block
// before. So any place of a stream of gigabytes is one request away.

import type { Bytes } from './source';

/** Bytes of a block. */
export const BLOCK = 16 << 10;

/** Bytes beyond a block that are read to finish its last line; a longer line is cut there. */
const BEYOND = 48 << 10;

/** Blocks that are kept: 1 MB of text. */
const KEPT = 60;

const NEWLINE = 10;

/** What a block shows, of bytes that begin one byte before it (but for the first block). */
export function lines(read: Uint8Array, block: number): { text: string; cut: boolean } {
  const own = block === 0 ? 0 : 1;
  // The first line that begins here: right at the start where a newline stands before it.
  let from = 0;
  if (block > 0) {
    const newline = read.indexOf(NEWLINE);
    if (newline < 0 || newline >= BLOCK) return { text: '', cut: false };
    from = newline + 1;
  }
  const end = Math.min(read.length, own + BLOCK);
  if (from >= end) return { text: '', cut: false };
  // To the newline that ends the last line that begins here: the one at the block's last byte, or the first behind it.
  const closing = read.indexOf(NEWLINE, Math.max(from, end - 1));
  const to = closing < 0 ? read.length : closing;
  const text = new TextDecoder().decode(read.subarray(from, to));
  return { text, cut: closing < 0 && read.length >= own + BLOCK + BEYOND };
}

/** Where the bytes come from. */
export interface Readable {
  bytes(offset: number, most: number, signal: AbortSignal): Promise<Bytes>;
}

export class RawBlocks {
  size = 0;
  ended = false;
  readonly #source: Readable;
  readonly #heard: (block: number) => void;
  readonly #blocks = new Map<number, { text: string; cut: boolean; whole: boolean }>();
  readonly #asked = new Set<number>();
  readonly #leave = new AbortController();

  constructor(source: Readable, heard: (block: number) => void) {
    this.#source = source;
    this.#heard = heard;
  }

  get count(): number {
    return Math.ceil(this.size / BLOCK);
  }

  block(number: number): { text: string; cut: boolean } | undefined {
    return this.#blocks.get(number);
  }

  close(): void {
    this.#leave.abort();
  }

  /** Asks how long the stream is by now. */
  async look(): Promise<void> {
    const { size, ended } = await this.#source.bytes(this.size, 0, this.#leave.signal);
    const grown = size > this.size;
    this.size = size;
    this.ended = ended;
    // What was the last block, and had not all of its lines, is read anew.
    if (grown) for (const [number, block] of this.#blocks) if (!block.whole) this.#blocks.delete(number);
  }

  /** These blocks are looked at. */
  want(first: number, end: number): void {
    for (let number = first; number < Math.min(end, this.count); number += 1) {
      if (!this.#blocks.has(number) && !this.#asked.has(number)) void this.#load(number);
    }
    for (const number of this.#blocks.keys()) {
      if (this.#blocks.size <= KEPT) return;
      if (number < first || number >= end) this.#blocks.delete(number);
    }
  }

  async #load(number: number): Promise<void> {
    this.#asked.add(number);
    try {
      const before = number === 0 ? 0 : 1;
      const most = before + BLOCK + BEYOND;
      const read = await this.#source.bytes(number * BLOCK - before, most, this.#leave.signal);
      this.size = Math.max(this.size, read.size);
      const whole = read.bytes.length === most || read.bytes.indexOf(NEWLINE, before + BLOCK - 1) >= 0;
      this.#blocks.set(number, { ...lines(read.bytes, number), whole });
    } catch {
      // It is asked for again when it is next looked at.
    }
    this.#asked.delete(number);
    if (!this.#leave.signal.aborted) this.#heard(number);
  }
}
