import { describe, expect, test } from 'vitest';
import { Feed, type Heard } from './feed';
import { seeded, synthetic } from './synthetic';
import type { Source } from './source';
import type { Entries as Page, Entry, Hits, OutputMessage } from '../wire';

/** A server in this process: it holds entries of which some were written so far, and breaks connections as it is told to. */
class Host implements Source {
  readonly entriesOf: Entry[];
  written = 0;
  over = false;
  asked: { offset: number; limit: number }[] = [];
  refuse = 0;
  readonly #sockets = new Set<{ sent: number; hear: (message: OutputMessage) => void; gone: () => void }>();

  constructor(entries: Entry[]) {
    this.entriesOf = entries;
  }

  get size(): number {
    return this.entriesOf[this.written - 1]?.end ?? 0;
  }

  /** Up to this many entries, but no line in half. */
  write(many: number): void {
    let to = Math.min(this.entriesOf.length, this.written + many);
    while (to < this.entriesOf.length && this.entriesOf[to]?.offset === this.entriesOf[to - 1]?.offset) to += 1;
    this.written = to;
    if (this.written === this.entriesOf.length) this.over = true;
    for (const socket of [...this.#sockets]) this.#send(socket);
  }

  cut(): void {
    for (const socket of [...this.#sockets]) {
      this.#sockets.delete(socket);
      socket.gone();
    }
  }

  async entries(offset: number, limit: number): Promise<Page> {
    this.asked.push({ offset, limit });
    await Promise.resolve();
    if (this.refuse > 0) {
      this.refuse -= 1;
      throw new Error('no answer');
    }
    const there = this.entriesOf.slice(0, this.written).filter((entry) => entry.offset >= offset);
    let many = Math.min(limit, there.length);
    while (many < there.length && there[many]?.offset === there[many - 1]?.offset) many += 1;
    const entries = there.slice(0, many);
    return { entries, next: entries.at(-1)?.end ?? offset, size: this.size, ended: this.over };
  }

  entry(place: { offset: number; index: number }): Promise<Entry> {
    const entry = this.entriesOf.find((one) => one.offset === place.offset && one.index === place.index);
    return entry === undefined ? Promise.reject(new Error('none')) : Promise.resolve({ ...entry, text: 'whole' });
  }

  search(): Promise<Hits> {
    return Promise.resolve({ hits: [] });
  }

  live(offset: number, hear: (message: OutputMessage) => void, gone: () => void): () => void {
    const from = this.entriesOf.findIndex((entry) => entry.offset >= offset);
    const socket = { sent: from < 0 ? this.entriesOf.length : from, hear, gone };
    this.#sockets.add(socket);
    queueMicrotask(() => {
      if (!this.#sockets.has(socket)) return;
      hear({ type: 'begin', attempt: 1, step: 1, offset, size: this.size, ended: this.over });
      this.#send(socket);
    });
    return () => this.#sockets.delete(socket);
  }

  #send(socket: { sent: number; hear: (message: OutputMessage) => void }): void {
    const entries = this.entriesOf.slice(socket.sent, this.written);
    socket.sent = this.written;
    const next = entries.at(-1)?.end;
    if (next !== undefined) socket.hear({ type: 'entries', entries, next });
    if (this.over) socket.hear({ type: 'end', next: this.size });
  }
}

/** A feed, and a promise of it being in some state. */
function listen(host: Host, limits?: ConstructorParameters<typeof Feed>[2]) {
  const heard: Heard[] = [];
  let waiting: { holds: () => boolean; resolve: () => void }[] = [];
  const feed = new Feed(
    host,
    (what) => {
      heard.push(what);
      waiting = waiting.filter(({ holds, resolve }) => !holds() || (resolve(), false));
    },
    limits,
  );
  const until = (holds: () => boolean) =>
    holds() ? Promise.resolve() : new Promise<void>((resolve) => waiting.push({ holds, resolve }));
  return { feed, heard, until };
}

/** All entries that a feed shows, rows and folded results, in the stream's order. */
function shown(feed: Feed): string[] {
  const places: { offset: number; index: number }[] = [];
  for (let row = 0; row < feed.entries.rows.count; row += 1) {
    places.push(feed.entries.rows.place(row));
    const result = feed.entries.rows.result(row);
    if (result !== null) places.push(result);
  }
  places.sort((a, b) => a.offset - b.offset || a.index - b.index);
  return places.map(({ offset, index }) => `${offset}.${index}`);
}

const placesOf = (entries: Entry[]) => entries.map(({ offset, index }) => `${offset}.${index}`);

describe('a feed', () => {
  test('reads what is there by pages, and then what comes', async () => {
    const entries = synthetic(5000, 4);
    const host = new Host(entries);
    host.write(3500);
    const { feed, until } = listen(host);
    feed.start();
    await until(() => feed.state === 'live');
    expect(host.asked.length).toBe(2);
    host.write(1000);
    host.write(1000);
    await until(() => feed.state === 'over');
    expect(shown(feed)).toEqual(placesOf(entries));
  });

  test('misses nothing and doubles nothing, whenever the connection goes', async () => {
    const entries = synthetic(4000, 5);
    const random = seeded(11);
    const host = new Host(entries);
    const { feed, until } = listen(host);
    feed.start();
    while (!host.over) {
      await until(() => feed.state === 'live');
      host.write(1 + Math.floor(random() * 120));
      if (random() < 0.3 && !host.over) {
        host.refuse = Math.floor(random() * 3);
        host.cut();
        host.write(Math.floor(random() * 60));
        for (let turn = 0; turn < 20; turn += 1) {
          feed.retry();
          await Promise.resolve();
        }
      }
      feed.retry();
      await Promise.resolve();
    }
    feed.retry();
    await until(() => feed.state === 'over');
    expect(shown(feed)).toEqual(placesOf(entries));
  });

  test('asks again for what was let go, when it is looked at', async () => {
    const entries = synthetic(3000, 6);
    const host = new Host(entries);
    host.write(3000);
    const { feed, until } = listen(host, { chunk: 100, chunks: 4, characters: 1e9, waiting: 1000 });
    feed.start();
    await until(() => feed.state === 'over');
    expect(feed.row(5)).toBeUndefined();
    feed.want([4, 5, 6]);
    await until(() => feed.row(5) !== undefined);
    expect(feed.row(5)?.entry.offset).toBe(feed.entries.rows.place(5).offset);
  });

  test('asks for single entries where few of each chunk are looked at', async () => {
    const entries = synthetic(6000, 7);
    const host = new Host(entries);
    host.write(6000);
    const { feed, until } = listen(host, { chunk: 100, chunks: 2, characters: 1e9, waiting: 1000 });
    feed.start();
    await until(() => feed.state === 'over');
    host.asked = [];
    const rows = Array.from({ length: 20 }, (_, at) => at * 100 + 7);
    feed.want(rows);
    await until(() => rows.every((row) => feed.row(row) !== undefined));
    expect(host.asked.every(({ limit }) => limit === 1)).toBe(true);
    expect(rows.map((row) => feed.row(row)?.number)).toEqual(rows);
  });

  test('reads anew what is not what it was', async () => {
    const entries = synthetic(1000, 8);
    const host = new Host(entries);
    host.write(1000);
    const { feed, heard, until } = listen(host, { chunk: 100, chunks: 2, characters: 1e9, waiting: 1000 });
    feed.start();
    await until(() => feed.state === 'over');
    host.entriesOf.splice(3, 1);
    host.written -= 1;
    feed.want([3]);
    await until(() => heard.some((what) => what.reset === true) && feed.state === 'over');
    expect(shown(feed)).toEqual(placesOf(entries));
  });

  test('gives an entry whole, and asks for it once', async () => {
    const host = new Host(synthetic(10, 9));
    const { feed } = listen(host);
    const place = host.entriesOf[2] ?? { offset: -1, index: 0 };
    expect((await feed.whole(place)).text).toBe('whole');
    expect(feed.whole(place)).toBe(feed.whole(place));
    await expect(feed.whole({ offset: -5, index: 0 })).rejects.toThrow('none');
  });
});
