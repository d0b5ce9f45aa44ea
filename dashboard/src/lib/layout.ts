// Where tasks and edges of a plan are drawn: by dagre, from left to right, each behind what it waits for. The layout depends on
// the plan alone, so that nothing jumps while a run goes on.

import { Graph, layout } from '@dagrejs/dagre';
import type { Edge, Plan } from './wire';

export const NODE = { width: 224, height: 58 };

/** Beyond this many edges those that follow from others do not weigh on the layout (they are still drawn). */
const MANY_EDGES = 600;

export type Point = { x: number; y: number };
export type Place = { id: string; x: number; y: number };
export type Curve = { key: string; edge: Edge; path: string; middle: Point };
export type Drawing = { places: Map<string, Place>; curves: Curve[]; width: number; height: number };

export function edgeKey(edge: Edge): string {
  return `${edge.from}\u0000${edge.to}\u0000${edge.reason}`;
}

/** Edges that do not follow from longer ways between the same two tasks. */
export function essential(edges: Edge[]): Edge[] {
  const next = new Map<string, Set<string>>();
  for (const { from, to } of edges) next.set(from, (next.get(from) ?? new Set()).add(to));
  const reach = new Map<string, Set<string>>();
  const reached = (id: string): Set<string> => {
    const known = reach.get(id);
    if (known) return known;
    const all = new Set<string>();
    reach.set(id, all);
    for (const to of next.get(id) ?? []) {
      all.add(to);
      for (const beyond of reached(to)) all.add(beyond);
    }
    return all;
  };
  return edges.filter(({ from, to }) => ![...(next.get(from) ?? [])].some((by) => by !== to && reached(by).has(to)));
}

// A smooth line through dagre's points: each inner point is the handle of a curve between the middles.
function smooth(points: Point[]): string {
  const [first, ...rest] = points;
  const last = rest.pop();
  if (!first || !last) return '';
  const round = (value: number) => Math.round(value * 10) / 10;
  const at = (point: Point) => `${round(point.x)} ${round(point.y)}`;
  if (rest.length === 0) {
    const bend = (last.x - first.x) / 2;
    return `M${at(first)}C${at({ x: first.x + bend, y: first.y })} ${at({ x: last.x - bend, y: last.y })} ${at(last)}`;
  }
  let path = `M${at(first)}`;
  rest.forEach((point, index) => {
    const following = rest[index + 1];
    const end = following ? { x: (point.x + following.x) / 2, y: (point.y + following.y) / 2 } : last;
    path += `Q${at(point)} ${at(end)}`;
  });
  return path;
}

/** The drawing of a plan. */
export function draw(plan: Plan): Drawing {
  const graph = new Graph({ multigraph: true });
  const few = plan.edges.length <= MANY_EDGES;
  graph.setGraph({ rankdir: 'LR', nodesep: 18, edgesep: 8, ranksep: few ? 72 : 110, marginx: 24, marginy: 24, ranker: few ? 'network-simplex' : 'longest-path' });
  graph.setDefaultEdgeLabel(() => ({}));
  const ids = new Set(plan.tasks.map((task) => task.id));
  const edges = plan.edges.filter((edge) => ids.has(edge.from) && ids.has(edge.to));
  const laid = few ? edges : essential(edges);

  // Tasks that nothing is joined to would make one tall column: they are set in rows below the rest.
  const joined = new Set(edges.flatMap((edge) => [edge.from, edge.to]));
  for (const task of plan.tasks) if (joined.has(task.id)) graph.setNode(task.id, { ...NODE });
  for (const edge of laid) graph.setEdge(edge.from, edge.to, {}, edgeKey(edge));
  if (joined.size > 0) layout(graph);

  const places = new Map<string, Place>();
  let width = 48;
  let height = joined.size > 0 ? 0 : 24;
  for (const id of joined) {
    const node = graph.node(id) as Point;
    places.set(id, { id, x: node.x, y: node.y });
    width = Math.max(width, node.x + NODE.width / 2 + 24);
    height = Math.max(height, node.y + NODE.height / 2 + 24);
  }
  const alone = plan.tasks.filter((task) => !joined.has(task.id));
  const across = Math.max(4, Math.floor(width / (NODE.width + 24)), Math.ceil(Math.sqrt(alone.length / 2)));
  alone.forEach((task, index) => {
    const x = 24 + NODE.width / 2 + (index % across) * (NODE.width + 24);
    const y = height + NODE.height / 2 + Math.floor(index / across) * (NODE.height + 18);
    places.set(task.id, { id: task.id, x, y });
    width = Math.max(width, x + NODE.width / 2 + 24);
  });
  if (alone.length > 0) height += Math.ceil(alone.length / across) * (NODE.height + 18) + 12;

  const curves = edges.flatMap((edge): Curve[] => {
    const key = edgeKey(edge);
    const [from, to] = [places.get(edge.from), places.get(edge.to)];
    if (!from || !to) return [];
    const routed = graph.hasEdge(edge.from, edge.to, key) ? ((graph.edge(edge.from, edge.to, key) as { points?: Point[] }).points ?? []) : [];
    const straight = [{ x: from.x + NODE.width / 2, y: from.y }, { x: to.x - NODE.width / 2, y: to.y }];
    const points = routed.length > 3 ? [straight[0] as Point, ...routed.slice(1, -1), straight[1] as Point] : straight;
    return [{ key, edge, path: smooth(points), middle: points[Math.floor(points.length / 2)] ?? from }];
  });
  return { places, curves, width, height };
}
