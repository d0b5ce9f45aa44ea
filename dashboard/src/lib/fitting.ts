// How much of a name fits into a drawing: SVG has no ellipsis of its own, so text is measured as it will be drawn.

let pen: CanvasRenderingContext2D | null | undefined;
const known = new Map<string, string>();

/** The name, or its beginning and an ellipsis, not wider than `width` in the font of tasks in a graph. */
export function fitting(name: string, width: number): string {
  if (pen === undefined) {
    pen = document.createElement('canvas').getContext('2d');
    if (pen) pen.font = `600 13px ${getComputedStyle(document.documentElement).getPropertyValue('--sans')}`;
  }
  if (!pen) return name.slice(0, Math.floor(width / 8));
  const before = known.get(name);
  if (before !== undefined) return before;
  let short = name;
  if (pen.measureText(name).width > width) {
    let length = Math.min(name.length, 60);
    while (length > 1 && pen.measureText(`${name.slice(0, length)}…`).width > width) length -= 1;
    short = `${name.slice(0, length).trimEnd()}…`;
  }
  if (known.size > 5000) known.clear();
  known.set(name, short);
  return short;
}
