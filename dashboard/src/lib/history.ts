// Events of a run from before the page was open. The server gives every event after a number over `/api/events`; the log is read
// backwards in pieces over lines of their own, until the beginning of the run is found or enough is had.

import type { Socket } from './connection.svelte';
import type { Message, WireEvent } from './wire';

/** Numbers that one piece covers. */
const PIECE = 5000;
/** As long as a piece may say nothing, in milliseconds. */
const PATIENCE = 15_000;

/** Events of a run with `after < seq <= last`, oldest first. */
function piece(open: (path: string) => Socket, run: string, after: number, last: number, stop: AbortSignal): Promise<WireEvent[]> {
  return new Promise((resolve, reject) => {
    const found: WireEvent[] = [];
    const socket = open(`/api/events?after=${after}`);
    let patience = setTimeout(() => end(new Error('The log is not answered.')), PATIENCE);
    const end = (error?: Error) => {
      clearTimeout(patience);
      stop.removeEventListener('abort', aborted);
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
      if (error) reject(error);
      else resolve(found);
    };
    const aborted = () => end(new DOMException('Left', 'AbortError'));
    stop.addEventListener('abort', aborted);
    socket.onclose = () => end(new Error('The line was lost while the log was read.'));
    socket.onmessage = (heard) => {
      const message = JSON.parse(String(heard.data)) as Message;
      if (message.type === 'resumed') return;
      // Whatever else is said comes behind what the log has: it holds no more (its last events may have gone with their run).
      if (message.type !== 'event') return end();
      clearTimeout(patience);
      patience = setTimeout(() => end(new Error('The log is not answered.')), PATIENCE);
      if (message.event.run === run && message.event.seq <= last) found.push(message.event);
      if (message.event.seq >= last) end();
    };
  });
}

/** Reads backwards from before `first` on; `take` gets each piece, oldest event first. At most about `most` events. Whether the
 * beginning of the run was reached. */
export async function readBack(open: (path: string) => Socket, run: string, first: number, most: number, take: (events: WireEvent[]) => void, stop: AbortSignal): Promise<boolean> {
  let last = first - 1;
  let had = 0;
  while (last > 0 && had < most && !stop.aborted) {
    const after = Math.max(0, last - PIECE);
    const events = await piece(open, run, after, last, stop);
    take(events);
    had += events.length;
    if (events.some((event) => event.type === 'run-started')) return true;
    last = after;
  }
  return last <= 0;
}
