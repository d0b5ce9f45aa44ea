// The entries of one step's stream. All of them have a number here (`rows`), for as long as the page shows them; their words are held
// in chunks of about a thousand, of which only some stay in memory: those that were looked at last, and the newest. The others are
// known by where they are in the stream, and are asked for again when somebody scrolls to them. So a stream of a million entries
// takes no more of the browser than one of sixty thousand.
//
// Nothing here knows the page or the network: `Feed` brings what comes in, the stream's view shows it.

import type { Entry, Todo } from '../wire';
import { Rows, type Place } from './rows';

/** Entries that came together, and where to go on after them. */
export interface Batch {
  entries: Entry[];
  /** The offset of the next line that is not among them. */
  next: number;
}

/** What one row shows. Replaced as a whole when its result comes. */
export interface Row {
  /** Its number, from 0. */
  readonly number: number;
  readonly entry: Entry;
  /** What the tool's use came to, where that is in memory. */
  readonly result?: Entry;
  /** Where that is in the stream, whether in memory or not. */
  readonly resultAt?: Place;
}

/** A part of the stream, of whole lines. */
export interface Chunk {
  /** Where its first line begins. */
  readonly offset: number;
  /** Where the line after its last begins. */
  end: number;
  /** Its first row. */
  readonly first: number;
  /** Its rows. */
  count: number;
  /** Its entries, rows and folded results. */
  entries: number;
  /** Its rows, while they are in memory. */
  rows: Row[] | null;
  /** Characters that it holds in memory, about. */
  weight: number;
  used: number;
}

/** How much stays in memory. */
export interface Limits {
  /** Entries of a chunk, at least. */
  chunk: number;
  /** Chunks in memory, at most. */
  chunks: number;
  /** Characters in memory, at most, about: a chunk of long entries counts as several. */
  characters: number;
  /** Tool's uses that wait for their result, at most; older ones get none. */
  waiting: number;
}

/** 60 chunks of 1,000 entries, 48 million characters (96 MB at most, half that for Latin text). */
export const LIMITS: Limits = { chunk: 1000, chunks: 60, characters: 48e6, waiting: 5000 };

/** What an addition changed. */
export interface Added {
  /** The first row that is new. */
  from: number;
  /** Rows before it whose result came. */
  changed: number[];
}

function weigh(entry: Entry): number {
  let weight = 200 + entry.title.length + (entry.text?.length ?? 0) + (entry.input?.length ?? 0);
  for (const hunk of entry.edit?.hunks ?? []) weight += hunk.old.length + hunk.new.length;
  for (const item of entry.todo ?? []) weight += item.text.length;
  return weight;
}

function answerable(entry: Entry): boolean {
  return entry.kind === 'tool' || entry.kind === 'edit' || entry.kind === 'todo';
}

export class Entries {
  readonly rows = new Rows();
  readonly chunks: Chunk[] = [];
  /** Where the line begins that is not here yet. */
  next = 0;
  /** Entries so far. */
  entries = 0;
  /** The latest list of what is to be done; not those of sub-agents. */
  todo: Todo[] | null = null;
  /** What each sub-agent was called for: titles of the calls that entries name as their parent, by the calls' ids. */
  readonly callers = new Map<string, string>();
  /** Lists that were asked for, by the id of the call, until it is known whether it went well. */
  readonly #asked = new Map<string, Todo[]>();
  /** The words of items that the agent calls by a shorter name, by that. */
  readonly #named = new Map<string, string>();
  readonly #limits: Limits;
  readonly #waiting = new Map<string, number>();
  #clock = 0;

  constructor(limits: Limits = LIMITS) {
    this.#limits = limits;
  }

  /** Takes entries that follow on those that are here. What is here already is left out: nothing is double. */
  append(batch: Batch): Added {
    const added: Added = { from: this.rows.count, changed: [] };
    const known = this.next;
    for (const entry of batch.entries) {
      if (entry.offset < known) continue;
      this.#take(entry, added);
    }
    if (batch.next > this.next) this.next = batch.next;
    const last = this.chunks.at(-1);
    if (last !== undefined) last.end = Math.max(last.end, this.next);
    this.#evict();
    return added;
  }

  /** What a row shows, where that is in memory. */
  row(number: number): Row | undefined {
    const chunk = this.chunkOf(number);
    return chunk?.rows?.[number - chunk.first];
  }

  /** The chunk of a row. */
  chunkOf(row: number): Chunk | undefined {
    if (row < 0 || row >= this.rows.count) return undefined;
    let low = 0;
    let high = this.chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if ((this.chunks[middle]?.first ?? 0) <= row) low = middle;
      else high = middle - 1;
    }
    return this.chunks[low];
  }

  /** Notes that a row is looked at. Gives back its chunk where that is not in memory and has to be asked for. */
  touch(row: number): Chunk | null {
    const chunk = this.chunkOf(row);
    if (chunk === undefined) return null;
    chunk.used = ++this.#clock;
    return chunk.rows === null ? chunk : null;
  }

  /** Takes back the entries of a chunk that was let go. False: they are not what they were, and the stream has to be read anew. */
  refill(chunk: Chunk, entries: Entry[]): boolean {
    if (chunk.rows !== null) return true;
    const here = entries.filter((entry) => entry.offset >= chunk.offset && entry.offset < chunk.end);
    const rows: Row[] = [];
    const results = new Map<number, Entry>();
    for (const entry of here) {
      const owner = this.rows.owner(entry);
      if (owner >= 0) {
        results.set(owner, entry);
        continue;
      }
      const number = chunk.first + rows.length;
      const place = this.rows.place(number);
      if (place.offset !== entry.offset || place.index !== entry.index) return false;
      rows.push({ number, entry });
    }
    if (rows.length !== chunk.count || here.length !== chunk.entries) return false;
    chunk.rows = rows.map((row) => this.#joined(row, results.get(row.number)));
    chunk.weight = here.reduce((sum, entry) => sum + weigh(entry), 0);
    chunk.used = ++this.#clock;
    this.#evict();
    return true;
  }

  /** A row of an entry that was asked for by itself. */
  single(number: number, entry: Entry): Row {
    return this.#joined({ number, entry }, undefined);
  }

  /** Characters in memory, about. */
  get weight(): number {
    return this.chunks.reduce((sum, chunk) => sum + (chunk.rows === null ? 0 : chunk.weight), 0);
  }

  #joined(row: Row, result: Entry | undefined): Row {
    const resultAt = this.rows.result(row.number);
    return resultAt === null ? row : { ...row, result, resultAt };
  }

  #take(entry: Entry, added: Added): void {
    const chunk = this.#chunkFor(entry);
    chunk.entries += 1;
    chunk.end = Math.max(chunk.end, entry.end);
    this.entries += 1;
    if (entry.parent === undefined) this.#note(entry);
    else this.#calledBy(entry.parent);
    if (entry.kind === 'result' && entry.id !== undefined && this.#answer(entry.id, entry, added)) return;
    const number = this.rows.push(entry, entry.kind, entry.is_error || entry.kind === 'error');
    chunk.count += 1;
    chunk.weight += weigh(entry);
    chunk.rows?.push({ number, entry });
    if (entry.id !== undefined && answerable(entry)) this.#await(entry.id, number);
  }

  #calledBy(parent: string): void {
    if (this.callers.has(parent)) return;
    const title = this.row(this.#waiting.get(parent) ?? -1)?.entry.title;
    if (title !== undefined) this.callers.set(parent, title);
  }

  // A list counts once its call went well.
  #note(entry: Entry): void {
    if (entry.kind !== 'result' || entry.id === undefined) {
      if (entry.todo === undefined || entry.todo.length === 0) return;
      if (entry.id === undefined) this.#list(entry.todo);
      else this.#asked.set(entry.id, entry.todo);
      return;
    }
    const todo = entry.todo ?? this.#asked.get(entry.id);
    this.#asked.delete(entry.id);
    if (entry.is_error) return;
    if (entry.named !== undefined) this.#named.set(entry.named.name, entry.named.text);
    if (todo !== undefined && todo.length > 0) this.#list(todo.map((item) => ({ ...item, text: this.#named.get(item.text) ?? item.text })));
  }

  // A list that names one item only is about that item: agents that keep their list item by item say no more.
  #list(todo: Todo[]): void {
    const [item] = todo;
    if (this.todo === null || todo.length > 1 || item === undefined) {
      this.todo = todo;
      return;
    }
    const known = this.todo.some((one) => one.text === item.text);
    this.todo = known ? this.todo.map((one) => (one.text === item.text ? item : one)) : [...this.todo, item];
  }

  #chunkFor(entry: Entry): Chunk {
    const last = this.chunks.at(-1);
    // Lines stay whole: a line's entries are all of one chunk.
    if (last !== undefined && (last.entries < this.#limits.chunk || entry.offset < last.end)) return last;
    const chunk: Chunk = {
      offset: entry.offset,
      end: entry.end,
      first: this.rows.count,
      count: 0,
      entries: 0,
      rows: [],
      weight: 0,
      used: ++this.#clock,
    };
    this.chunks.push(chunk);
    return chunk;
  }

  #await(id: string, row: number): void {
    this.#waiting.delete(id);
    this.#waiting.set(id, row);
    if (this.#waiting.size <= this.#limits.waiting) return;
    const oldest = this.#waiting.keys().next();
    if (oldest.done !== true) this.#waiting.delete(oldest.value);
  }

  #answer(id: string, result: Entry, added: Added): boolean {
    const number = this.#waiting.get(id);
    if (number === undefined) return false;
    this.#waiting.delete(id);
    this.rows.fold(number, result, result.is_error);
    if (number < added.from) added.changed.push(number);
    const chunk = this.chunkOf(number);
    const row = chunk?.rows?.[number - chunk.first];
    if (chunk?.rows && row !== undefined) {
      chunk.rows[number - chunk.first] = this.#joined(row, result);
      chunk.weight += weigh(result);
    }
    return true;
  }

  #evict(): void {
    const held = this.chunks.filter((chunk) => chunk.rows !== null);
    let weight = held.reduce((sum, chunk) => sum + chunk.weight, 0);
    let many = held.length;
    if (many <= this.#limits.chunks && weight <= this.#limits.characters) return;
    const newest = this.chunks.at(-1);
    // Two stay whatever they weigh: the newest, and the one that was looked at last.
    const old = held.filter((chunk) => chunk !== newest).sort((a, b) => a.used - b.used).slice(0, -1);
    for (const chunk of old) {
      if (many <= this.#limits.chunks && weight <= this.#limits.characters) return;
      chunk.rows = null;
      weight -= chunk.weight;
      many -= 1;
    }
  }
}
