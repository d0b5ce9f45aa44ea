// Where a step's stream comes from: the server's API, one step of one attempt, one of its two streams.

import { get, request, taskApi } from '../api';
import type { Entries as Page, Entry, EntryKind, Hits, OutputMessage, Stream } from '../wire';
import type { Place } from './rows';

/** What a feed needs of the server. */
export interface Source {
  /** Entries from an offset on. */
  entries(offset: number, limit: number, signal: AbortSignal): Promise<Page>;
  /** One entry, nothing of it cut. */
  entry(place: Place, signal: AbortSignal): Promise<Entry>;
  /** Where words stand. */
  search(words: string, kinds: readonly EntryKind[], from: number, signal: AbortSignal): Promise<Hits>;
  /** Entries from an offset on, as they come. `gone` is called once, when the connection is. Gives back what closes it. */
  live(offset: number, hear: (message: OutputMessage) => void, gone: () => void): () => void;
}

/** Which stream. */
export interface Which {
  run: string;
  task: string;
  attempt: number;
  step: number;
  stream: Stream;
}

/** A server that says nothing for this long is taken to be gone, ms. It pings every 20 s, which scripts cannot see; a connection that
    hangs is closed by the browser. This is for the opening alone. */
const OPENING = 10_000;

export class Server implements Source {
  readonly which: Which;

  constructor(which: Which) {
    this.which = which;
  }

  entries(offset: number, limit: number, signal: AbortSignal): Promise<Page> {
    return get<Page>(this.#path('/entries', { offset, limit }), signal);
  }

  entry(place: Place, signal: AbortSignal): Promise<Entry> {
    return get<Entry>(this.#path('/entry', { offset: place.offset, index: place.index }), signal);
  }

  search(words: string, kinds: readonly EntryKind[], from: number, signal: AbortSignal): Promise<Hits> {
    const query: Record<string, string | number> = { q: words, from };
    if (kinds.length > 0) query.kinds = kinds.join(',');
    return get<Hits>(this.#path('/search', query), signal);
  }

  /** Bytes of the stream: those that are there from an offset on, at most so many. */
  async bytes(offset: number, most: number, signal: AbortSignal): Promise<Bytes> {
    const response = await request(this.#path('/output', { offset }), { signal });
    const size = Number(response.headers.get('X-Gadugi-Size') ?? 'NaN');
    const ended = response.headers.get('X-Gadugi-Ended') === 'true';
    const read = response.body === null ? new Uint8Array() : await first(response.body, most);
    return { bytes: read, size: Number.isNaN(size) ? offset + read.length : size, ended };
  }

  live(offset: number, hear: (message: OutputMessage) => void, gone: () => void): () => void {
    const url = new URL(this.#path('/entries', { offset }), window.location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    const timer = setTimeout(() => socket.close(), OPENING);
    let over = false;
    socket.onopen = () => clearTimeout(timer);
    socket.onmessage = (event: MessageEvent<unknown>) => {
      if (!over && typeof event.data === 'string') hear(JSON.parse(event.data) as OutputMessage);
    };
    const end = () => {
      clearTimeout(timer);
      if (over) return;
      over = true;
      gone();
    };
    socket.onclose = end;
    return () => {
      over = true;
      clearTimeout(timer);
      socket.close();
    };
  }

  #path(rest: string, query: Record<string, string | number>): string {
    const { run, task, attempt, step, stream } = this.which;
    return taskApi(run, task, rest, { attempt, step, stream, ...query });
  }
}

/** Bytes of a stream. */
export interface Bytes {
  bytes: Uint8Array;
  /** Of the whole stream, so far. */
  size: number;
  ended: boolean;
}

async function first(body: ReadableStream<Uint8Array>, most: number): Promise<Uint8Array> {
  const reader = body.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  while (length < most) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    length += value.length;
  }
  // What is beyond is not wanted: the server stops sending.
  await reader.cancel();
  const all = new Uint8Array(Math.min(length, most));
  let at = 0;
  for (const part of parts) {
    const some = part.subarray(0, all.length - at);
    all.set(some, at);
    at += some.length;
  }
  return all;
}
