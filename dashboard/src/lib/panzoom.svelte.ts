// Moving a drawing about in its frame and seeing it nearer: by mouse, by touch of one or two fingers, by wheel, by keys.

import type { Attachment } from 'svelte/attachments';

const NEAREST = 2.5;
/** Below this the words of a task can't be read. */
const READABLE = 0.55;

export class PanZoom {
  x = $state(0);
  y = $state(0);
  scale = $state(1);
  #frame: Element | null = null;
  #size = { width: 1, height: 1 };
  /** Whether somebody has moved it: then it is not fitted again by itself. */
  #moved = false;
  #fingers = new Map<number, { x: number; y: number }>();

  readonly transform = $derived(`translate(${this.x} ${this.y}) scale(${this.scale})`);

  /** The size of the drawing. Fits it, where nobody has moved it. */
  setSize(width: number, height: number): void {
    this.#size = { width, height };
    if (!this.#moved) this.begin();
  }

  #farthest(): number {
    const box = this.#frame?.getBoundingClientRect();
    if (!box) return 0.1;
    return Math.min(1, box.width / this.#size.width, box.height / this.#size.height) * 0.9;
  }

  /** As it is first seen: all of it, but where that would be too small to read, its beginning. */
  begin(): void {
    this.#place(READABLE);
  }

  /** All of it; never larger than it is. */
  fit(): void {
    this.#place(0);
    this.#moved = true;
  }

  #place(least: number): void {
    const box = this.#frame?.getBoundingClientRect();
    if (!box || box.width === 0) return;
    this.#moved = false;
    this.scale = Math.max(least, Math.min(1, box.width / this.#size.width, box.height / this.#size.height));
    this.x = Math.max(0, (box.width - this.#size.width * this.scale) / 2);
    this.y = Math.max(0, (box.height - this.#size.height * this.scale) / 2);
  }

  /** Nearer (above 1) or farther, about a point of the frame, else its middle. */
  zoom(by: number, at?: { x: number; y: number }): void {
    const box = this.#frame?.getBoundingClientRect();
    if (!box) return;
    const about = at ?? { x: box.width / 2, y: box.height / 2 };
    const scale = Math.min(NEAREST, Math.max(Math.min(this.#farthest(), this.scale), this.scale * by));
    this.x = about.x - ((about.x - this.x) * scale) / this.scale;
    this.y = about.y - ((about.y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.#moved = true;
  }

  pan(dx: number, dy: number): void {
    this.x += dx;
    this.y += dy;
    this.#moved = true;
  }

  /** Moves it so far that a box of the drawing can be seen. */
  reveal(x: number, y: number, width: number, height: number): void {
    const box = this.#frame?.getBoundingClientRect();
    if (!box) return;
    const edge = 24;
    const left = this.x + x * this.scale;
    const top = this.y + y * this.scale;
    if (left < edge) this.x += edge - left;
    else if (left + width * this.scale > box.width - edge) this.x -= left + width * this.scale - box.width + edge;
    if (top < edge) this.y += edge - top;
    else if (top + height * this.scale > box.height - edge) this.y -= top + height * this.scale - box.height + edge;
  }

  /** For the frame: `{@attach view.attach}`. */
  readonly attach: Attachment = (frame) => {
    this.#frame = frame;
    const resized = new ResizeObserver(() => {
      if (!this.#moved) this.begin();
    });
    resized.observe(frame);
    const on = <K extends keyof GlobalEventHandlersEventMap>(name: K, heard: (event: GlobalEventHandlersEventMap[K]) => void, options?: AddEventListenerOptions) => {
      frame.addEventListener(name, heard as EventListener, options);
    };
    on('wheel', (event) => this.#wheel(event), { passive: false });
    on('pointerdown', (event) => this.#down(event));
    on('pointermove', (event) => this.#move(event));
    for (const name of ['pointerup', 'pointercancel'] as const) on(name, (event) => this.#fingers.delete(event.pointerId));
    return () => {
      resized.disconnect();
      this.#frame = null;
    };
  };

  #wheel(event: WheelEvent): void {
    event.preventDefault();
    const box = (event.currentTarget as Element).getBoundingClientRect();
    const lines = event.deltaMode === 1 ? 16 : 1;
    if (event.shiftKey) this.pan(-event.deltaY * lines, 0);
    else if (!event.ctrlKey && Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan(-event.deltaX * lines, -event.deltaY * lines);
    else this.zoom(Math.exp(-event.deltaY * lines * 0.0016), { x: event.clientX - box.left, y: event.clientY - box.top });
  }

  #down(event: PointerEvent): void {
    if (event.button !== 0 || (event.target instanceof Element && event.target.closest('a, button') && event.pointerType === 'mouse')) return;
    this.#fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (event.target instanceof Element && !event.target.closest('a, button')) (event.currentTarget as Element).setPointerCapture(event.pointerId);
  }

  #move(event: PointerEvent): void {
    const before = this.#fingers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...this.#fingers].find(([id]) => id !== event.pointerId)?.[1];
    if (other) {
      const box = (event.currentTarget as Element).getBoundingClientRect();
      const apart = (point: { x: number; y: number }) => Math.hypot(point.x - other.x, point.y - other.y);
      this.zoom(apart(now) / Math.max(1, apart(before)), { x: (now.x + other.x) / 2 - box.left, y: (now.y + other.y) / 2 - box.top });
    } else {
      this.pan(now.x - before.x, now.y - before.y);
    }
    this.#fingers.set(event.pointerId, now);
  }
}
