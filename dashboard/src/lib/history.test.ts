import { describe, expect, test } from 'vitest';
import type { Socket } from './connection.svelte';
import { readBack } from './history';
import type { WireEvent } from './wire';

/** A log of `length` events, every third of which is of run `r`, which begins at `begins`. */
function server(length: number, begins: number): { open: (path: string) => Socket; paths: string[] } {
  const paths: string[] = [];
  const open = (path: string): Socket => {
    paths.push(path);
    const after = Number(new URLSearchParams(path.split('?')[1]).get('after'));
    const socket: Socket & { shut: boolean } = { onopen: null, onmessage: null, onclose: null, shut: false, send: () => {}, close: () => (socket.shut = true) };
    queueMicrotask(() => {
      const say = (message: object) => socket.onmessage?.({ data: JSON.stringify(message) } as MessageEvent);
      say({ type: 'resumed', seq: after });
      for (let seq = after + 1; seq <= length && !socket.shut; seq += 1) {
        const type = seq === begins ? 'run-started' : 'task-held';
        say({ type: 'event', event: { seq, at: '', type, run: seq >= begins && (seq - begins) % 3 === 0 ? 'r' : 'other' } });
      }
    });
    return socket;
  };
  return { open, paths };
}

describe('the log of a run', () => {
  test('is read backwards to its beginning, each event once and in order', async () => {
    const { open, paths } = server(14_000, 3001);
    let events: WireEvent[] = [];
    const whole = await readBack(open, 'r', 13_001, 50_000, (more) => (events = [...more, ...events]), new AbortController().signal);
    expect(whole).toBe(true);
    const wanted = Array.from({ length: Math.ceil((13_000 - 3000) / 3) }, (_, at) => 3001 + at * 3);
    expect(events.map((event) => event.seq)).toEqual(wanted);
    expect(paths.length).toBe(2);
  });

  test('is left off when enough is had', async () => {
    const { open, paths } = server(30_000, 1);
    expect(await readBack(open, 'r', 30_001, 1000, () => {}, new AbortController().signal)).toBe(false);
    expect(paths.length).toBe(1);
  });

  test('says when the line is lost', async () => {
    const open = (): Socket => {
      const socket: Socket = { onopen: null, onmessage: null, onclose: null, send: () => {}, close: () => {} };
      queueMicrotask(() => socket.onclose?.({ code: 1006 } as CloseEvent));
      return socket;
    };
    await expect(readBack(open, 'r', 10, 10, () => {}, new AbortController().signal)).rejects.toThrow('lost');
  });
});
