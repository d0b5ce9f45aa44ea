// A simple layout for plans that are too large for dagre: tasks stand in columns by stage, each behind all that it waits for, and
// within a stage beside what they wait for, as far as there is room. It takes time in proportion to tasks and edges.

import type { Edge } from './wire';

export type Cell = { id: string; column: number; row: number };

/** For each task how many others it waits for, one behind the other. Those that wait in a circle stand behind all others. */
function stages(ids: readonly string[], edges: readonly Edge[]): string[][] {
  const waits = new Map(ids.map((id) => [id, 0]));
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) {
    waits.set(to, (waits.get(to) ?? 0) + 1);
    next.set(from, [...(next.get(from) ?? []), to]);
  }
  const found: string[][] = [];
  let ready = ids.filter((id) => waits.get(id) === 0);
  const left = new Set(ids);
  while (ready.length > 0) {
    found.push(ready);
    const after: string[] = [];
    for (const id of ready) {
      left.delete(id);
      for (const to of next.get(id) ?? []) {
        const still = (waits.get(to) ?? 0) - 1;
        waits.set(to, still);
        if (still === 0) after.push(to);
      }
    }
    ready = after;
  }
  if (left.size > 0) found.push([...left]);
  return found;
}

/** Where each task stands: stages from left to right, a stage of more than `most` in several columns side by side. */
export function layers(ids: readonly string[], edges: readonly Edge[], most: number): Cell[] {
  const from = new Map<string, string[]>();
  for (const edge of edges) from.set(edge.to, [...(from.get(edge.to) ?? []), edge.from]);
  const rows = new Map<string, number>();
  // The mean row of what it waits for.
  const wish = (id: string): number => {
    const before = (from.get(id) ?? []).map((one) => rows.get(one) ?? 0);
    return before.length === 0 ? 0 : before.reduce((sum, row) => sum + row, 0) / before.length;
  };
  const cells: Cell[] = [];
  let column = 0;
  for (const stage of stages(ids, edges)) {
    const columns = Math.ceil(stage.length / most);
    const inOrder = stage.map((id) => ({ id, by: wish(id) })).sort((one, other) => one.by - other.by);
    inOrder.forEach(({ id }, at) => {
      const row = Math.floor(at / columns);
      rows.set(id, row);
      cells.push({ id, column: column + (at % columns), row });
    });
    column += columns;
  }
  return cells;
}
