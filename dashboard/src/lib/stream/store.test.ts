import { describe, expect, test } from 'vitest';
import { Entries, type Limits } from './store';
import { synthetic } from './synthetic';
import type { Entry } from '../wire';

const SMALL: Limits = { chunk: 100, chunks: 5, characters: 1e9, waiting: 1000 };

function feed(store: Entries, entries: Entry[], size: number): void {
  for (let at = 0; at < entries.length; at += size) {
    const some = entries.slice(at, at + size);
    store.append({ entries: some, next: some.at(-1)?.end ?? 0 });
  }
}

function of(offset: number, words: Partial<Entry>): Entry {
  return { offset, end: offset + 10, index: 0, kind: 'text', title: '', is_error: false, ...words };
}

describe('the entries of a stream', () => {
  test('have a row each, but for results, which fold into the use of their tool', () => {
    const store = new Entries();
    store.append({ entries: [of(0, { kind: 'tool', id: 'a' }), of(10, { kind: 'text' })], next: 20 });
    expect(store.row(0)?.result).toBeUndefined();
    const added = store.append({
      entries: [of(20, { kind: 'result', id: 'a', is_error: true }), of(30, { kind: 'result', id: 'nobody' })],
      next: 40,
    });
    expect(added).toEqual({ from: 2, changed: [0] });
    expect(store.rows.count).toBe(3);
    expect(store.row(0)?.result?.offset).toBe(20);
    expect(store.rows.failed(0)).toBe(true);
    expect(store.rows.kind(2)).toBe('result');
    expect(store.rows.find({ offset: 20, index: 0 })).toBe(0);
    expect(store.rows.find({ offset: 30, index: 0 })).toBe(2);
  });

  test('are taken once, however often they come', () => {
    const store = new Entries();
    const entries = [of(0, {}), of(10, {}), of(20, {})];
    store.append({ entries: entries.slice(0, 2), next: 20 });
    store.append({ entries, next: 30 });
    store.append({ entries, next: 30 });
    expect(store.rows.count).toBe(3);
    expect(store.next).toBe(30);
  });

  test('stay whole at the edge of a chunk when a line holds several', () => {
    const store = new Entries({ ...SMALL, chunk: 2 });
    const entries = [of(0, {}), of(10, {}), of(10, { index: 1 }), of(10, { index: 2 }), of(20, {})];
    store.append({ entries, next: 30 });
    expect(store.chunks.map((chunk) => [chunk.offset, chunk.end, chunk.entries])).toEqual([
      [0, 20, 4],
      [20, 30, 1],
    ]);
  });

  test('that are far away are let go, and come back as they were', () => {
    const entries = synthetic(3000, 1);
    const whole = new Entries({ ...SMALL, chunks: 1000 });
    feed(whole, entries, 70);
    const store = new Entries(SMALL);
    feed(store, entries, 70);
    expect(store.rows.count).toBe(whole.rows.count);
    expect(store.chunks.filter((chunk) => chunk.rows !== null)).toHaveLength(SMALL.chunks);
    for (let number = 0; number < store.rows.count; number += 1) {
      const missing = store.touch(number);
      if (missing !== null) {
        const again = entries.filter((entry) => entry.offset >= missing.offset && entry.offset < missing.end);
        expect(store.refill(missing, again)).toBe(true);
      }
      const row = store.row(number);
      expect(row?.entry).toEqual(whole.row(number)?.entry);
      expect(row?.resultAt).toEqual(whole.row(number)?.resultAt);
    }
    expect(store.chunks.filter((chunk) => chunk.rows !== null)).toHaveLength(SMALL.chunks);
  });

  test('that come back changed are noticed', () => {
    const entries = synthetic(1000, 2);
    const store = new Entries(SMALL);
    feed(store, entries, 50);
    const missing = store.touch(0);
    expect(missing).not.toBeNull();
    if (missing === null) return;
    const again = entries.filter((entry) => entry.offset >= missing.offset && entry.offset < missing.end);
    expect(store.refill(missing, again.slice(1))).toBe(false);
    expect(store.refill(missing, [])).toBe(false);
  });

  test('weigh no more than they may, but two chunks stay whatever they weigh', () => {
    const store = new Entries({ chunk: 10, chunks: 100, characters: 20_000, waiting: 10 });
    const entries = Array.from({ length: 400 }, (_, at) => of(at * 10, { text: 'x'.repeat(at < 200 ? 300 : 30_000) }));
    feed(store, entries.slice(0, 200), 10);
    expect(store.weight).toBeLessThanOrEqual(20_000);
    feed(store, entries.slice(200), 10);
    expect(store.chunks.filter((chunk) => chunk.rows !== null)).toHaveLength(2);
  });

  test('are found by their place, or the nearest is', () => {
    const entries = synthetic(2000, 3);
    const store = new Entries(SMALL);
    feed(store, entries, 33);
    for (const entry of entries) {
      const row = store.rows.find(entry);
      const shown = [store.rows.place(row), store.rows.result(row)];
      expect(shown).toContainEqual({ offset: entry.offset, index: entry.index });
    }
    expect(store.rows.find({ offset: 1e12, index: 0 })).toBe(store.rows.count - 1);
    expect(new Entries().rows.find({ offset: 0, index: 0 })).toBe(-1);
  });

  test('keep the latest list, item by item or whole', () => {
    const store = new Entries();
    const list = (todo: Entry['todo'], offset: number, parent?: string) =>
      store.append({ entries: [of(offset, { kind: 'todo', todo, parent })], next: offset + 10 });
    list([{ text: 'a', status: 'pending' }, { text: 'b', status: 'pending' }], 0);
    list([{ text: 'a', status: 'completed' }], 10);
    list([{ text: 'c', status: 'pending' }], 20);
    list([{ text: 'of a sub-agent', status: 'pending' }], 30, 'tool-1');
    expect(store.todo?.map((item) => `${item.text} ${item.status}`)).toEqual(['a completed', 'b pending', 'c pending']);
  });

  test('count a list when its call went well, and know items by their numbers', () => {
    const store = new Entries();
    let offset = 0;
    const say = (words: Partial<Entry>) => store.append({ entries: [of((offset += 10), words)], next: offset + 10 });
    const shown = () => store.todo?.map((item) => `${item.text} ${item.status}`);
    say({ kind: 'todo', id: 'a', todo: [{ text: 'Write the notes', status: 'pending' }] });
    expect(shown()).toBeUndefined();
    say({ kind: 'result', id: 'a', named: { name: '#1', text: 'Write the notes' } });
    say({ kind: 'todo', id: 'b', todo: [{ text: '#1', status: 'completed' }] });
    say({ kind: 'result', id: 'b', title: 'Updated task #1 status' });
    expect(shown()).toEqual(['Write the notes completed']);
    say({ kind: 'todo', id: 'c', todo: [{ text: 'x', status: 'pending' }, { text: 'y', status: 'pending' }] });
    say({ kind: 'result', id: 'c', is_error: true, title: 'No such tool' });
    expect(shown()).toEqual(['Write the notes completed']);
  });

  test('of sub-agents know what they were called for, also after the call is over', () => {
    const store = new Entries();
    store.append({ entries: [of(0, { kind: 'tool', id: 'one', title: 'Task look' }), of(10, { kind: 'tool', id: 'two', title: 'Task search' })], next: 20 });
    store.append({ entries: [of(20, { parent: 'two' }), of(30, { parent: 'one' }), of(40, { kind: 'result', id: 'one' }), of(50, { parent: 'one' }), of(60, { parent: 'gone' })], next: 70 });
    expect([...store.callers]).toEqual([['two', 'Task search'], ['one', 'Task look']]);
  });
});
