// The parts of which there is one: what is known, and the line that it comes over.

import { Connection } from './connection.svelte';
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
  world.listener,
);

/** Puts a run on view, here and at the server. */
export function viewRun(run: string): void {
  world.view(run);
  connection.watch(run);
}
