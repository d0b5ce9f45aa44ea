import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Connection, type Socket } from './connection.svelte';
import type { Message } from './wire';

/** A socket whose other end the test plays. */
class Scripted implements Socket {
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  said: unknown[] = [];
  shut = false;
  constructor(readonly path: string) {}
  send(text: string): void {
    this.said.push(JSON.parse(text));
  }
  close(): void {
    this.shut = true;
  }
  says(message: object): void {
    this.onmessage?.({ data: JSON.stringify(message) } as MessageEvent);
  }
  event(seq: number): void {
    this.says({ type: 'event', event: { seq, at: '2026-11-21T22:00:00.000Z', type: 'run-resumed', run: 'r1' } });
  }
  ends(code: number): void {
    this.onclose?.({ code } as CloseEvent);
  }
}

const sockets: Scripted[] = [];
let heard: Message[] = [];
let answer = 0;

function begin(): Connection {
  const line = {
    open: (path: string) => {
      const socket = new Scripted(path);
      sockets.push(socket);
      return socket;
    },
    probe: async () => answer,
  };
  const connection = new Connection(line, { take: (message) => heard.push(message) });
  connection.start();
  return connection;
}

function last(): Scripted {
  const socket = sockets[sockets.length - 1];
  if (socket === undefined) throw new Error('nothing was opened');
  return socket;
}

const numbers = () => heard.flatMap((message) => (message.type === 'event' ? [message.event.seq] : []));
const snapshot = (seq: number) => ({ type: 'snapshot', seq, runs: [] });
const machine = { type: 'machine', machine: { at: '', cpus: 4, agents_memory_mb: 0, steps: 0 }, limits: [] };

beforeEach(() => {
  vi.useFakeTimers();
  sockets.length = 0;
  heard = [];
  answer = 0;
});
afterEach(() => vi.useRealTimers());

describe('the line to the engine', () => {
  test('begins with a snapshot, and takes every event after it once', () => {
    const connection = begin();
    expect(last().path).toBe('/api/events');
    expect(connection.status).toBe('connecting');
    last().says(snapshot(10));
    for (const seq of [9, 10, 11, 12, 12, 11, 13]) last().event(seq);
    expect(connection.status).toBe('live');
    expect(numbers()).toEqual([11, 12, 13]);
    expect(connection.seq).toBe(13);
  });

  test('is taken up behind the last event, with the run that is on view', () => {
    const connection = begin();
    connection.watch('r1');
    last().says(snapshot(10));
    expect(last().said).toEqual([{ type: 'watch', run: 'r1' }]);
    last().event(11);
    last().ends(1006);
    expect(connection.status).toBe('offline');
    expect(connection.retryAt).not.toBeNull();
    vi.advanceTimersByTime(1000);
    expect(last().path).toBe('/api/events?after=11&run=r1');
    last().says({ type: 'resumed', seq: 11 });
    last().event(11);
    last().event(12);
    expect(last().said).toEqual([]);
    connection.watch('r2');
    expect(last().said).toEqual([{ type: 'watch', run: 'r2' }]);
    expect(numbers()).toEqual([11, 12]);
    expect(connection.status).toBe('live');
  });

  test('is opened anew where a number is left out', () => {
    const connection = begin();
    last().says(snapshot(10));
    last().event(11);
    const first = last();
    first.event(13);
    expect(first.shut).toBe(true);
    first.event(14);
    vi.advanceTimersByTime(1);
    expect(last().path).toBe('/api/events?after=11');
    last().says({ type: 'resumed', seq: 11 });
    for (const seq of [12, 13, 14]) last().event(seq);
    expect(numbers()).toEqual([11, 12, 13, 14]);
    expect(connection.status).toBe('live');
  });

  test('accepts a hole that is in the log itself, instead of going round for ever', () => {
    begin();
    last().says(snapshot(10));
    last().event(13);
    vi.advanceTimersByTime(1);
    last().says({ type: 'resumed', seq: 10 });
    last().event(13);
    last().event(14);
    expect(sockets.length).toBe(2);
    expect(numbers()).toEqual([13, 14]);
  });

  test('comes back at once when it lagged, and waits when the engine left', () => {
    const connection = begin();
    last().says(snapshot(1));
    last().ends(4008);
    vi.advanceTimersByTime(1);
    expect(sockets.length).toBe(2);
    last().says({ type: 'resumed', seq: 1 });
    last().ends(1001);
    expect(connection.lost).toBe('engine-left');
    vi.advanceTimersByTime(1);
    expect(sockets.length).toBe(2);
    connection.retryNow();
    expect(sockets.length).toBe(3);
  });

  test('waits longer from try to try, ten seconds and a bit at most', () => {
    const connection = begin();
    const waits: number[] = [];
    for (let at = 0; at < 8; at += 1) {
      last().ends(1006);
      waits.push((connection.retryAt ?? 0) - Date.now());
      vi.advanceTimersByTime(13_000);
    }
    expect(sockets.length).toBe(9);
    expect(waits[0]).toBeLessThan(700);
    expect(waits[4]).toBeGreaterThan(6000);
    expect(Math.max(...waits)).toBeLessThanOrEqual(12_000);
  });

  test('is dead after a silence, once the server has shown its rhythm', () => {
    const connection = begin();
    last().says(snapshot(1));
    vi.advanceTimersByTime(60_000);
    expect(sockets.length).toBe(1);
    last().says(machine);
    vi.advanceTimersByTime(11_000);
    last().event(2);
    vi.advanceTimersByTime(11_000);
    expect(connection.status).toBe('live');
    vi.advanceTimersByTime(1001);
    expect(connection.status).toBe('offline');
    expect(connection.lost).toBe('silent');
    vi.advanceTimersByTime(1);
    expect(sockets.length).toBe(2);
  });

  test('is given up where it is opened and says nothing', () => {
    const connection = begin();
    vi.advanceTimersByTime(9999);
    expect(sockets.length).toBe(1);
    vi.advanceTimersByTime(2000);
    expect(sockets[0]?.shut).toBe(true);
    expect(sockets.length).toBe(2);
    last().says(snapshot(1));
    vi.advanceTimersByTime(60_000);
    expect(sockets.length).toBe(2);
    expect(connection.status).toBe('live');
  });

  test('takes a new snapshot where the log does not reach back', () => {
    const connection = begin();
    last().says(snapshot(100));
    last().ends(1006);
    vi.advanceTimersByTime(1000);
    last().says(snapshot(5));
    last().event(6);
    expect(connection.seq).toBe(6);
    expect(numbers()).toEqual([6]);
  });

  test('says that it is not let in', async () => {
    answer = 401;
    const connection = begin();
    last().ends(1006);
    vi.advanceTimersByTime(1000);
    last().ends(1006);
    await vi.advanceTimersByTimeAsync(0);
    expect(connection.status).toBe('denied');
    const opened = sockets.length;
    vi.advanceTimersByTime(60_000);
    expect(sockets.length).toBe(opened);
  });
});
