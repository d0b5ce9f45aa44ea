// Brings a step's stream into the page: first what is there, a page at a time, so that the server never sends faster than the page
// reads; then what comes, over a WebSocket. A connection that goes is made again from the first line that is not here yet, so nothing
// is missing and nothing double. Chunks that were let go are asked for again when somebody looks at them.

import type { Entry, OutputMessage } from '../wire';
import type { Place } from './rows';
import type { Source } from './source';
import { Entries, LIMITS, type Chunk, type Limits, type Row } from './store';

/** Entries that are asked for at once. */
const PAGE = 2000;

/** A stream that is this much ahead is read by pages, not over the socket: bytes. */
const FAR = 4 << 20;

/** Chunks and single entries that are asked for at a time. */
const AT_ONCE = 3;

/** Single entries that are kept, for filters that leave few rows of each chunk. */
const SINGLES = 2000;

/** Whole entries that are kept. */
const WHOLES = 24;

/** Waits before the next try, ms. */
const PATIENCE = [250, 500, 1000, 2000, 5000];

/** `reading` what is there, `live`, `over`, or `away`: the server does not answer, and is asked again. */
export type State = 'reading' | 'live' | 'over' | 'away';

export interface Heard {
  /** The stream is read anew: nothing of it is as it was. */
  reset?: boolean;
  /** The first new row. */
  from?: number;
  /** Rows that changed. */
  changed?: number[];
}

/** A map that forgets what was not used for longest. */
class Recent<K, V> {
  readonly #map = new Map<K, V>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  get(key: K): V | undefined {
    const value = this.#map.get(key);
    if (value !== undefined) this.set(key, value);
    return value;
  }

  set(key: K, value: V): void {
    this.#map.delete(key);
    this.#map.set(key, value);
    if (this.#map.size <= this.#most) return;
    const oldest = this.#map.keys().next();
    if (oldest.done !== true) this.#map.delete(oldest.value);
  }

  delete(key: K): void {
    this.#map.delete(key);
  }

  clear(): void {
    this.#map.clear();
  }
}

export class Feed {
  entries: Entries;
  state: State = 'reading';
  /** Bytes of the stream, as far as is known. */
  size = 0;
  /** Why the server is away, in words; else empty. */
  trouble = '';
  readonly #source: Source;
  readonly #limits: Limits;
  readonly #hear: (heard: Heard) => void;
  readonly #leave = new AbortController();
  readonly #singles = new Recent<number, Row>(SINGLES);
  readonly #wholes = new Recent<string, Promise<Entry>>(WHOLES);
  readonly #loading = new Set<Chunk | number>();
  #wanted: (Chunk | number)[] = [];
  #wake: (() => void) | null = null;

  constructor(source: Source, hear: (heard: Heard) => void, limits: Limits = LIMITS) {
    this.#source = source;
    this.#hear = hear;
    this.#limits = limits;
    this.entries = new Entries(limits);
  }

  /** Begins to read, and goes on until {@link close}. */
  start(): void {
    void this.#run();
  }

  close(): void {
    this.#leave.abort();
    this.#wake?.();
  }

  /** Tries again now, where the server is away. */
  retry(): void {
    this.#wake?.();
  }

  /** What a row shows, where that is in memory. */
  row(number: number): Row | undefined {
    return this.entries.row(number) ?? this.#singles.get(number);
  }

  /** These rows are looked at: what of them is not in memory is asked for. Where few rows of a chunk are, they come by themselves. */
  want(rows: readonly number[]): void {
    const missing = new Map<Chunk, number[]>();
    for (const row of rows) {
      const chunk = this.entries.touch(row);
      if (chunk === null || this.#singles.get(row) !== undefined) continue;
      const others = missing.get(chunk);
      if (others === undefined) missing.set(chunk, [row]);
      else others.push(row);
    }
    const few = (wanted: number[], chunk: Chunk) => wanted.length < 4 && chunk.count > 40 && missing.size > 2;
    this.#wanted = [...missing].flatMap(([chunk, wanted]): (Chunk | number)[] => (few(wanted, chunk) ? wanted : [chunk]));
    this.#pump();
  }

  /** An entry with nothing cut. */
  whole(place: Place): Promise<Entry> {
    const key = `${place.offset}.${place.index}`;
    const known = this.#wholes.get(key);
    if (known !== undefined) return known;
    const asked = this.#source.entry(place, this.#leave.signal);
    this.#wholes.set(key, asked);
    asked.catch(() => this.#wholes.delete(key));
    return asked;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#leave.signal.aborted) {
      try {
        const over = await this.#history(() => (failures = 0));
        if (over || (await this.#follow(() => (failures = 0)))) {
          this.#become('over');
          return;
        }
      } catch (error) {
        if (this.#leave.signal.aborted) return;
        this.#become('away', error instanceof Error ? error.message : String(error));
      }
      await this.#wait(PATIENCE[Math.min(failures, PATIENCE.length - 1)] ?? 1000);
      failures += 1;
    }
  }

  /** Reads what is there. True: that is all, and the step is over. */
  async #history(well: () => void): Promise<boolean> {
    for (;;) {
      const from = this.entries.next;
      const page = await this.#source.entries(from, PAGE, this.#leave.signal);
      well();
      this.size = page.size;
      if (this.state === 'away') this.#become('reading');
      this.#append(page.entries, page.next);
      if (page.next > from && page.next < page.size) continue;
      return page.ended && page.next >= page.size;
    }
  }

  /** Hears what comes. True: the step is over, and all of it is here. False: the connection went. */
  #follow(well: () => void): Promise<boolean> {
    return new Promise((resolve) => {
      let close = () => {};
      const done = (over: boolean) => {
        this.#leave.signal.removeEventListener('abort', left);
        close();
        resolve(over);
      };
      const left = () => done(false);
      const gone = () => {
        if (this.state === 'live') this.#become('away', 'The connection was lost.');
        done(false);
      };
      const hear = (message: OutputMessage) => {
        well();
        this.#heard(message, done);
      };
      this.#leave.signal.addEventListener('abort', left);
      close = this.#source.live(this.entries.next, hear, gone);
    });
  }

  #heard(message: OutputMessage, done: (over: boolean) => void): void {
    switch (message.type) {
      case 'begin':
        this.size = Math.max(this.size, message.size);
        if (message.size - this.entries.next > FAR) done(false);
        else this.#become('live');
        return;
      case 'entries':
        this.size = Math.max(this.size, message.next);
        this.#append(message.entries, message.next);
        return;
      case 'end':
        this.size = Math.max(this.size, message.next);
        done(true);
        return;
      default:
    }
  }

  #append(entries: Entry[], next: number): void {
    if (entries.length === 0 && next <= this.entries.next) return;
    const added = this.entries.append({ entries, next });
    this.#hear({ from: added.from, changed: added.changed });
  }

  #become(state: State, trouble = ''): void {
    if (this.state === state && this.trouble === trouble) return;
    this.state = state;
    this.trouble = trouble;
    this.#hear({});
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(wake, ms);
      const self = this;
      function wake() {
        clearTimeout(timer);
        self.#wake = null;
        resolve();
      }
      this.#wake = wake;
    });
  }

  #pump(): void {
    while (this.#loading.size < AT_ONCE) {
      const next = this.#wanted.find((wanted) => !this.#loading.has(wanted));
      if (next === undefined) return;
      this.#wanted = this.#wanted.filter((wanted) => wanted !== next);
      this.#loading.add(next);
      const asked = typeof next === 'number' ? this.#loadRow(next) : this.#loadChunk(next);
      void asked
        .catch(() => undefined) // It is asked for again when it is next looked at.
        .then(() => {
          this.#loading.delete(next);
          this.#pump();
        });
    }
  }

  async #loadChunk(chunk: Chunk): Promise<void> {
    const store = this.entries;
    const entries: Entry[] = [];
    const end = chunk.end;
    let at = chunk.offset;
    while (at < end) {
      const page = await this.#source.entries(at, PAGE, this.#leave.signal);
      entries.push(...page.entries);
      if (page.next <= at) break;
      at = page.next;
    }
    if (store !== this.entries) return;
    if (store.refill(chunk, entries)) this.#hear({ changed: [] });
    else this.#reset();
  }

  async #loadRow(number: number): Promise<void> {
    const store = this.entries;
    const place = store.rows.place(number);
    const page = await this.#source.entries(place.offset, 1, this.#leave.signal);
    const entry = page.entries.find((one) => one.offset === place.offset && one.index === place.index);
    if (store !== this.entries) return;
    if (entry === undefined) this.#reset();
    else this.#singles.set(number, store.single(number, entry));
    this.#hear({ changed: [number] });
  }

  // The stream is not what it was (a server of another version reads it otherwise): all of it is read anew.
  #reset(): void {
    this.entries = new Entries(this.#limits);
    this.#singles.clear();
    this.#wholes.clear();
    this.#wanted = [];
    const over = this.state === 'over';
    if (over) this.state = 'reading';
    this.#hear({ reset: true });
    if (over) void this.#run();
  }
}
