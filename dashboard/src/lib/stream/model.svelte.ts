// A stream on view: what came, what of it is listed, what is looked for, where the keyboard is. Components draw what stands here.

import { tick } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import type { Todo } from '../wire';
import { Feed, type Heard, type State } from './feed';
import type { Place } from './rows';
import { Search } from './search';
import { ALL, Estimates, Shown, type Filter } from './shown';
import type { Source } from './source';
import type { Row } from './store';

/** What the model asks of the list that shows it. */
export interface List {
  keep(change: () => void): void;
  show(place: number, where: 'start' | 'center' | 'nearest'): void;
  toEnd(): void;
  hold(place: number): void;
  top(): number;
}

/** The words after `#` of a link to an entry. */
export function anchor(place: Place): string {
  return `e${place.offset}.${place.index}`;
}

/** The entry that a link names; null: it names none. */
export function anchored(hash: string): Place | null {
  const found = /^#?e(\d{1,15})(?:\.(\d{1,5}))?$/.exec(hash);
  return found === null ? null : { offset: Number(found[1]), index: Number(found[2] ?? 0) };
}

export class StreamModel {
  /** Counts what changed, for those who draw rows. */
  version = $state(0);
  state: State = $state('reading');
  /** Why the server is away, in words. */
  trouble = $state('');
  filter: Filter = $state.raw(ALL);
  /** Whether the list stays at the end. */
  follow = $state(true);
  /** Rows that came since somebody left the end. */
  unseen = $state(0);
  /** The row that the keyboard is at; -1: none. */
  active = $state(-1);
  /** The row that a link led to; -1: none. */
  marked = $state(-1);
  /** The hit that the search is at; -1: none. */
  at = $state(-1);
  words = $state('');
  /** Whether only hits are listed. */
  onlyHits = $state(false);
  todo: readonly Todo[] | null = $state.raw(null);
  readonly folds = new SvelteMap<string, boolean>();
  readonly feed: Feed;
  list: List | null = null;
  readonly #source: Source;
  readonly #estimates = new Estimates();
  #shown: Shown = $state.raw(null as unknown as Shown);
  #search: Search | null = $state.raw(null);
  #found = $state(0);
  #awaited: Place | null = null;

  constructor(source: Source) {
    this.#source = source;
    this.feed = new Feed(source, (heard) => this.#hear(heard));
    this.#shown = new Shown(this.feed.entries.rows, ALL, this.#estimates);
  }

  start(): void {
    this.feed.start();
  }

  close(): void {
    this.#search?.stop();
    this.feed.close();
  }

  /** What is listed. */
  get shown(): Shown {
    return this.#shown;
  }

  /** What stands at a place of the list, where it is in memory. */
  row(place: number): Row | undefined {
    void this.version;
    return this.feed.row(this.#shown.row(place));
  }

  /** What is said above a sub-agent's entry: which one speaks, where another spoke before; null: nothing. */
  speaker(place: number): string | null {
    const parent = this.row(place)?.entry.parent;
    if (parent === undefined || this.row(place - 1)?.entry.parent === parent) return null;
    const title = this.feed.entries.callers.get(parent);
    return title === undefined ? 'Sub-agent' : `Sub-agent of ${title}`;
  }

  key(place: number): string {
    return String(this.#shown.row(place));
  }

  /** Whether a place of the list can be measured: what is there is in memory. */
  solid(place: number): boolean {
    return this.feed.row(this.#shown.row(place)) !== undefined;
  }

  /** How many are listed. */
  get count(): number {
    void this.version;
    return this.#shown.count;
  }

  /** Rows of each kind, in the order of KINDS. */
  get counts(): readonly number[] {
    void this.version;
    return this.feed.entries.rows.counts.slice();
  }

  get failures(): number {
    void this.version;
    return this.feed.entries.rows.failures;
  }

  /** How much of the stream is here, 0 to 1. */
  get read(): number {
    void this.version;
    return this.feed.size === 0 ? 0 : Math.min(1, this.feed.entries.next / this.feed.size);
  }

  /** Rows that hold what is looked for. */
  get hits(): readonly number[] {
    void this.#found;
    return this.#search?.hits ?? [];
  }

  /** Whether all of the stream was searched. */
  get searched(): boolean {
    void this.#found;
    return this.#search?.complete ?? false;
  }

  get searchTrouble(): string {
    void this.#found;
    return this.#search?.trouble ?? '';
  }

  /** These places are drawn: what is missing of them is asked for, and what was learned of heights is used. */
  drawn(first: number, end: number): void {
    const rows: number[] = [];
    for (let place = first; place < end; place += 1) {
      const row = this.#shown.row(place);
      if (row >= 0) rows.push(row);
    }
    this.feed.want(rows);
    if (!this.#estimates.stale) return;
    if (this.list === null) this.#shown.estimate();
    else this.list.keep(() => this.#shown.estimate());
  }

  /** Lists what a filter leaves; what was looked at stays in view, or the next that is left. */
  setFilter(filter: Filter): void {
    const looked = this.#shown.row(this.list?.top() ?? -1);
    this.filter = filter;
    this.#shown = new Shown(this.feed.entries.rows, filter, this.#estimates);
    this.version += 1;
    // Once the list has its new rows.
    if (!this.follow && looked >= 0) void tick().then(() => this.list?.show(this.#shown.at(looked), 'start'));
  }

  /** Looks for words. */
  look(words: string): void {
    this.words = words;
    this.#search?.stop();
    this.#search = null;
    this.at = -1;
    if (words.trim() !== '') {
      this.#search = new Search(
        words,
        {
          count: () => this.feed.entries.rows.count,
          row: (number) => this.feed.entries.row(number),
          find: (place) => (place.offset < this.feed.entries.next ? this.feed.entries.rows.find(place) : -1),
          server: (sought, kinds, from, signal) => this.#source.search(sought, kinds, from, signal),
        },
        () => this.#foundMore(),
      );
      this.#search.start();
    } else if (this.onlyHits) this.setOnlyHits(false);
    this.#foundMore();
  }

  setOnlyHits(on: boolean): void {
    this.onlyHits = on;
    this.setFilter({ ...this.filter, only: on ? (this.#search?.rows ?? new Set()) : null });
  }

  /** Goes to the next hit, or to the one before. */
  step(by: 1 | -1): void {
    const from = this.at >= 0 ? this.at : this.#shown.row(this.list?.top() ?? 0) - by;
    let hit = this.#search?.next(from, by) ?? -1;
    // Hits that a filter leaves out are passed over.
    for (let tries = this.hits.length; hit >= 0 && !this.#shown.has(hit) && tries > 0; tries -= 1) hit = this.#search?.next(hit, by) ?? -1;
    if (hit < 0 || !this.#shown.has(hit)) return;
    this.at = hit;
    this.go(hit, 'center');
  }

  /** Goes to the next row that failed. */
  stepFailed(by: 1 | -1): void {
    const rows = this.feed.entries.rows;
    const from = this.active >= 0 ? this.active : this.#shown.row(this.list?.top() ?? 0);
    for (let step = 1; step <= rows.count; step += 1) {
      // Round the end.
      const row = (((from + by * step) % rows.count) + rows.count) % rows.count;
      if (!rows.failed(row) || !this.#shown.has(row)) continue;
      this.active = row;
      this.go(row, 'center');
      return;
    }
  }

  /** Puts a row in view. */
  go(row: number, where: 'start' | 'center' | 'nearest'): void {
    this.follow = false;
    this.list?.show(this.#shown.at(row), where);
  }

  toEnd(): void {
    this.unseen = 0;
    this.list?.toEnd();
  }

  /** Goes to the entry that a link names, as soon as it is here. */
  open(place: Place): void {
    this.#awaited = place;
    this.follow = false;
    this.#arrive();
  }

  #arrive(): void {
    const place = this.#awaited;
    const entries = this.feed.entries;
    if (place === null || this.list === null || entries.rows.count === 0) return;
    if (place.offset >= entries.next && this.state !== 'over') return;
    this.#awaited = null;
    const row = entries.rows.find(place);
    if (!this.#shown.has(row)) this.setFilter(ALL);
    this.marked = row;
    this.active = row;
    // The list draws in its next frame what came; the row is shown once it has its place.
    void tick().then(() => this.go(row, 'center'));
  }

  #hear(heard: Heard): void {
    if (heard.reset === true) {
      this.#shown = new Shown(this.feed.entries.rows, this.filter, this.#estimates);
      this.look(this.words);
    }
    const before = this.#shown.count;
    this.#shown.extend();
    if (!this.follow) this.unseen += Math.max(0, this.#shown.count - before);
    const changed = heard.changed ?? [];
    if (changed.length > 0 && this.filter !== ALL) {
      const shown = this.#shown;
      if (this.list === null) shown.revise(changed);
      else this.list.keep(() => shown.revise(changed));
    }
    this.#search?.extend(changed);
    this.todo = this.feed.entries.todo;
    this.state = this.feed.state;
    this.trouble = this.feed.trouble;
    this.version += 1;
    this.#arrive();
  }

  #foundMore(): void {
    this.#found += 1;
    if (this.onlyHits) {
      this.#shown = new Shown(this.feed.entries.rows, { ...this.filter, only: this.#search?.rows ?? new Set() }, this.#estimates);
      this.version += 1;
    }
  }
}
