// The parts of which there is one: what is known, and the line that it comes over.

import { get } from './api';
import { Connection } from './connection.svelte';
import type { Runs } from './wire';
import { World } from './world.svelte';

/** Opens a WebSocket to a path of the server that the page came from. */
export function openSocket(path: string): WebSocket {
  const scheme = window.location.protocol === 'https:' ? 'wss:' : 'ws:';
  return new WebSocket(`${scheme}//${window.location.host}${path}`);
}

export const world = new World();

export const connection = new Connection(
  {
    open: openSocket,
    probe: async () => {
      try {
        return (await fetch('/api/runs?limit=1', { credentials: 'same-origin' })).status;
      } catch {
        return 0;
      }
    },
  },
  {
    take: (message) => {
      world.listener.take(message);
      if (message.type === 'resumed') void refreshRuns();
    },
  },
);

// Rows of runs that changed while the line was down were said to nobody.
async function refreshRuns(): Promise<void> {
  try {
    world.addRuns((await get<Runs>('/api/runs')).runs);
  } catch {
    // The line is down again: it is done at the next beginning.
  }
}

/** Puts a run on view, here and at the server. */
export function viewRun(run: string): void {
  world.view(run);
  connection.watch(run);
}
