// The keyboard. Two kinds: single keys and pairs that begin with `g` ("go to"), both only where nobody is typing. Lists are moved
// through with `j` and `k` or the arrows: anything with `data-list` is one, what can hold the focus in it has `data-row`.

/** What a key does. `help` is the line in the list of keys. */
export type Binding = { keys: string; help: string; run: () => void };

/** How long the second key of a pair is waited for. */
const PAIR = 1200;

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(input|select|textarea)$/i.test(target.tagName);
}

function inDialog(): boolean {
  return document.querySelector('dialog[open]') !== null;
}

/** Moves the focus in the list that has it, else in the first of the page. Whether there was one. */
export function moveInList(by: 1 | -1 | 'first' | 'last'): boolean {
  const active = document.activeElement;
  const list = active?.closest('[data-list]') ?? document.querySelector('main [data-list]');
  if (!list) return false;
  const rows = [...list.querySelectorAll<HTMLElement>('[data-row]')].filter((row) => row.getClientRects().length > 0);
  if (rows.length === 0) return false;
  const at = rows.findIndex((row) => row === active || row.contains(active));
  let next: number;
  if (by === 'first') next = 0;
  else if (by === 'last') next = rows.length - 1;
  else if (at === -1) next = by === 1 ? 0 : rows.length - 1;
  else next = Math.min(rows.length - 1, Math.max(0, at + by));
  const row = rows[next];
  row?.focus({ preventScroll: true });
  row?.scrollIntoView({ block: 'nearest' });
  return true;
}

function focusSearch(): boolean {
  const field = document.querySelector<HTMLInputElement>('main input[type="search"]');
  field?.focus();
  field?.select();
  return field !== null;
}

/** Listens to the whole page. Gives back what ends that. */
export function listen(bindings: () => Binding[]): () => void {
  let pending = '';
  let timer: ReturnType<typeof setTimeout> | undefined;

  const heard = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || inDialog()) return;
    if (typing(event.target)) {
      if (event.key === 'Escape' && event.target instanceof HTMLElement) {
        event.preventDefault(); // A search field of the browser's would empty itself and tell nobody.
        event.target.blur();
      }
      return;
    }
    clearTimeout(timer);
    const word = pending === '' ? event.key : `${pending} ${event.key}`;
    pending = '';
    const binding = bindings().find((one) => one.keys === word);
    if (binding) {
      event.preventDefault();
      binding.run();
    } else if (event.key === 'g') {
      pending = 'g';
      timer = setTimeout(() => (pending = ''), PAIR);
    } else if (moved(event)) {
      event.preventDefault();
    }
  };
  window.addEventListener('keydown', heard);
  return () => window.removeEventListener('keydown', heard);
}

// Keys that mean the same on every page.
function moved(event: KeyboardEvent): boolean {
  const inList = event.target instanceof Element && event.target.closest('[data-list]') !== null;
  switch (event.key) {
    case '/':
      return focusSearch();
    case 'j':
      return moveInList(1);
    case 'k':
      return moveInList(-1);
    case 'ArrowDown':
      return inList && moveInList(1);
    case 'ArrowUp':
      return inList && moveInList(-1);
    case 'Home':
      return inList && moveInList('first');
    case 'End':
      return inList && moveInList('last');
    default:
      return false;
  }
}
