// Where the page is. Addresses are real paths (History API), so that each view can be linked to and the browser's buttons work;
// the server answers every path that is no file with the page. A view's own settings (a filter, the event that is linked to) are
// the query.

/** The views of one run, in the order in which they stand in its bar. */
export const RUN_VIEWS = ['overview', 'graph', 'timeline', 'queue', 'log', 'figures'] as const;
export type RunView = (typeof RUN_VIEWS)[number];

/** Where the page can be. */
export type Route =
  | { view: 'home' }
  | { view: 'runs' }
  | { view: 'run'; run: string; tab: RunView }
  | { view: 'task'; run: string; task: string }
  | { view: 'needs' }
  | { view: 'machine' }
  | { view: 'missing'; path: string };

function words(path: string): string[] {
  return path
    .split('/')
    .filter((word) => word !== '')
    .map((word) => {
      try {
        return decodeURIComponent(word);
      } catch {
        return word;
      }
    });
}

function isRunView(word: string): word is RunView {
  return (RUN_VIEWS as readonly string[]).includes(word);
}

/** The route that a path names. */
export function parse(path: string): Route {
  const [first, run, third, task, ...rest] = words(path);
  const missing: Route = { view: 'missing', path };
  if (rest.length > 0) return missing;
  if (first === undefined) return { view: 'home' };
  if (first === 'needs' || first === 'machine') return run === undefined ? { view: first } : missing;
  if (first !== 'runs') return missing;
  if (run === undefined) return { view: 'runs' };
  if (third === undefined) return { view: 'run', run, tab: 'overview' };
  if (third === 'tasks') return task === undefined ? missing : { view: 'task', run, task };
  if (task !== undefined || !isRunView(third)) return missing;
  return { view: 'run', run, tab: third };
}

/** The path of a view of a run. */
export function runPath(run: string, tab: RunView = 'overview'): string {
  const base = `/runs/${encodeURIComponent(run)}`;
  return tab === 'overview' ? base : `${base}/${tab}`;
}

/** The path of a task's page. */
export function taskPath(run: string, task: string, query: Record<string, string> = {}): string {
  const path = `/runs/${encodeURIComponent(run)}/tasks/${encodeURIComponent(task)}`;
  const words = new URLSearchParams(query).toString();
  return words === '' ? path : `${path}?${words}`;
}

/** The one router of the page. */
export class Router {
  /** The path, without the query. */
  path = $state('/');
  /** The query, with its `?`, or nothing. */
  search = $state('');
  /** Counts navigations to another view (not changes of the query): the shell moves the focus at each. */
  visits = $state(0);
  /** Where that is. */
  readonly route: Route = $derived(parse(this.path));
  /** The query, read. */
  readonly query: URLSearchParams = $derived(new URLSearchParams(this.search));

  /** Takes the address of the window, and follows it from now on. Gives back what ends that. */
  start(): () => void {
    const follow = () => this.#take(window.location.pathname, window.location.search);
    const click = (event: MouseEvent) => this.#click(event);
    follow();
    window.addEventListener('popstate', follow);
    document.addEventListener('click', click);
    return () => {
      window.removeEventListener('popstate', follow);
      document.removeEventListener('click', click);
    };
  }

  /** Goes to a path (with a query, where it has one). */
  go(path: string, how: 'push' | 'replace' = 'push'): void {
    const url = new URL(path, window.location.origin);
    const same = url.pathname === window.location.pathname && url.search === window.location.search;
    if (how === 'replace' || same) window.history.replaceState(null, '', url);
    else window.history.pushState(null, '', url);
    this.#take(url.pathname, url.search);
  }

  /** Changes words of the query and leaves the rest; `null` takes one away. Makes no step in the history. */
  setQuery(words: Record<string, string | null>): void {
    const query = new URLSearchParams(this.search);
    for (const [name, value] of Object.entries(words)) {
      if (value === null) query.delete(name);
      else query.set(name, value);
    }
    const text = query.toString();
    this.go(text === '' ? this.path : `${this.path}?${text}`, 'replace');
  }

  #take(path: string, search: string): void {
    if (path !== this.path) {
      this.path = path;
      this.visits += 1;
    }
    this.search = search;
  }

  // Links are plain `<a href>`: a click that means "here" stays in the page, every other (a new tab, a download) is the browser's.
  #click(event: MouseEvent): void {
    if (event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    // In a drawing, a link is an element of SVG: of both kinds the attribute is what counts.
    const link = event.target instanceof Element ? event.target.closest('a[href]') : null;
    if (!link || link.hasAttribute('target') || link.hasAttribute('download')) return;
    const to = new URL(link.getAttribute('href') ?? '', window.location.href);
    if (to.origin !== window.location.origin || to.pathname.startsWith('/api/')) return;
    if (to.hash !== '' && to.pathname === window.location.pathname) return;
    event.preventDefault();
    this.go(`${to.pathname}${to.search}`);
  }
}

export const router = new Router();
