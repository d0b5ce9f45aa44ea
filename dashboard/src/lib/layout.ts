// Where tasks and edges of a plan are drawn: by dagre, from left to right, each behind what it waits for; where there are too many
// for it to be quick, in columns by stage. The layout depends on the plan alone, so that nothing jumps while a run goes on.

import { Graph, layout } from '@dagrejs/dagre';
import { layers } from './layers';
import type { Edge, Plan } from './wire';

export const NODE = { width: 224, height: 58 };

/** Beyond this many edges those that follow from others do not weigh on the layout (they are still drawn). */
const MANY_EDGES = 600;

/** Beyond so many tasks or edges dagre takes seconds (400 tasks with 800 edges: about one). */
export const MANY = { tasks: 400, edges: 1500 };

export type Point = { x: number; y: number };
export type Place = { id: string; x: number; y: number };
export type Curve = { key: string; edge: Edge; path: string; middle: Point };
export type Drawing = { places: Map<string, Place>; curves: Curve[]; width: number; height: number; /** Drawn by stage: there are too many. */ simple: boolean };
/** Where tasks stand that edges join, and the points that edges go through where that is more than a straight way. */
type Laid = { places: Point[]; ways: (key: string, edge: Edge) => Point[] };

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

function byDagre(ids: string[], edges: Edge[]): Laid {
  const graph = new Graph({ multigraph: true });
  const few = edges.length <= MANY_EDGES;
  graph.setGraph({ rankdir: 'LR', nodesep: 18, edgesep: 8, ranksep: few ? 72 : 110, marginx: 24, marginy: 24, ranker: few ? 'network-simplex' : 'longest-path' });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const id of ids) graph.setNode(id, { ...NODE });
  for (const edge of few ? edges : essential(edges)) graph.setEdge(edge.from, edge.to, {}, edgeKey(edge));
  if (ids.length > 0) layout(graph);
  return {
    places: ids.map((id) => graph.node(id) as Point),
    ways: (key, edge) => (graph.hasEdge(edge.from, edge.to, key) ? ((graph.edge(edge.from, edge.to, key) as { points?: Point[] }).points ?? []) : []),
  };
}

function byStage(ids: string[], edges: Edge[]): Laid {
  // About as wide as it is high, on a screen: a column is some four rows wide.
  const most = Math.max(8, Math.ceil(Math.sqrt(ids.length * 3)));
  const cells = new Map(layers(ids, edges, most).map((cell) => [cell.id, cell]));
  const place = (id: string): Point => {
    const { column = 0, row = 0 } = cells.get(id) ?? {};
    return { x: 24 + NODE.width / 2 + column * (NODE.width + 72), y: 24 + NODE.height / 2 + row * (NODE.height + 18) };
  };
  return { places: ids.map(place), ways: () => [] };
}

/** The drawing of a plan. */
export function draw(plan: Plan): Drawing {
  const ids = new Set(plan.tasks.map((task) => task.id));
  const edges = plan.edges.filter((edge) => ids.has(edge.from) && ids.has(edge.to));
  // Tasks that nothing is joined to would make one tall column: they are set in rows below the rest.
  const ends = new Set(edges.flatMap((edge) => [edge.from, edge.to]));
  const joined = [...ids].filter((id) => ends.has(id));
  const simple = joined.length > MANY.tasks || edges.length > MANY.edges;
  const laid = simple ? byStage(joined, edges) : byDagre(joined, edges);

  const places = new Map<string, Place>();
  let width = 48;
  let height = joined.length > 0 ? 0 : 24;
  laid.places.forEach(({ x, y }, at) => {
    const id = joined[at] as string;
    places.set(id, { id, x, y });
    width = Math.max(width, x + NODE.width / 2 + 24);
    height = Math.max(height, y + NODE.height / 2 + 24);
  });
  const alone = plan.tasks.filter((task) => !ends.has(task.id));
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
    const routed = laid.ways(key, edge);
    const straight = [{ x: from.x + NODE.width / 2, y: from.y }, { x: to.x - NODE.width / 2, y: to.y }];
    const points = routed.length > 3 ? [straight[0] as Point, ...routed.slice(1, -1), straight[1] as Point] : straight;
    return [{ key, edge, path: smooth(points), middle: points[Math.floor(points.length / 2)] ?? from }];
  });
  return { places, curves, width, height, simple };
}
