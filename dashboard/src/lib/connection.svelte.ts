// The one line to the engine: a WebSocket that says first how everything stands and then every event after that, in order.
//
// Nothing is lost and nothing is taken twice: the number of the last event is kept, a line that breaks is taken up again behind
// it (`?after=`), an event whose number was had is dropped, and a number that is left out means that something was missed: the line
// is opened anew behind the last good one. Only where the log itself has the same hole again is it accepted.

import type { Message, Say } from './wire';

/** `denied`: the server does not know this browser (no token, or a wrong one). */
export type Status = 'connecting' | 'live' | 'offline' | 'denied';

/** Why the line is down. */
export type Lost = 'lagging' | 'engine-left' | 'gap' | 'silent' | 'network';

/** What of a WebSocket is used; a test scripts one. */
export interface Socket {
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

/** What the connection hangs on. */
export interface Line {
  open(path: string): Socket;
  /** The HTTP status of a small request, or 0: whether the server is there and lets this browser in. */
  probe(): Promise<number>;
}

/** Who hears what is said. */
export interface Listener {
  take(message: Message): void;
}

/** The first wait, and the longest, in milliseconds; each is twice the one before. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
/** The server speaks every two seconds; after this long without a word the line is dead, whatever the browser believes. */
const SILENCE = 12_000;
/** As long as a line that is being opened may say nothing, times the tries so far: a packet that was lost is sent again ever more
 * rarely, and a new line is there sooner. */
const OPENING = 10_000;
const CLOSE_GOING_AWAY = 1001;
const CLOSE_LAGGING = 4008;

export class Connection {
  status: Status = $state('connecting');
  /** Why the line was lost last, while it is. */
  lost: Lost | null = $state(null);
  /** When the next try is made, milliseconds since 1970; null while one is under way. */
  retryAt: number | null = $state(null);
  /** The number of the last event that was taken; null before the first snapshot. */
  seq: number | null = $state(null);
  /** How often the line was opened. */
  opened = $state(0);

  #line: Line;
  #listener: Listener;
  #socket: Socket | null = null;
  #watching: string | null = null;
  /** The run that the server was told of when the line was opened. */
  #told: string | null = null;
  #tries = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #silence: ReturnType<typeof setTimeout> | null = null;
  /** The number behind which something was missed: the line was opened anew for it. */
  #hole: number | null = null;
  #stopped = false;
  #rhythm = false;

  constructor(line: Line, listener: Listener) {
    this.#line = line;
    this.#listener = listener;
  }

  start(): void {
    this.#stopped = false;
    this.#open();
  }

  stop(): void {
    this.#stopped = true;
    this.#forget();
    this.status = 'offline';
  }

  /** Tries again at once, where a try is being waited for. */
  retryNow(): void {
    if (this.#socket !== null || this.#stopped) return;
    this.#tries = 0;
    this.#open();
  }

  /** Watches a run instead of the one before. */
  watch(run: string): void {
    if (this.#watching === run) return;
    this.#watching = run;
    if (this.status === 'live') this.#tell();
  }

  #say(words: Say): void {
    this.#socket?.send(JSON.stringify(words));
  }

  #path(): string {
    const query = new URLSearchParams();
    if (this.seq !== null) query.set('after', String(this.seq));
    if (this.#watching !== null) query.set('run', this.#watching);
    const words = query.toString();
    return words === '' ? '/api/events' : `/api/events?${words}`;
  }

  #open(): void {
    this.#forget();
    if (this.status !== 'offline') this.status = 'connecting';
    this.retryAt = null;
    this.#told = this.#watching;
    this.#rhythm = false;
    const socket = this.#line.open(this.#path());
    this.#socket = socket;
    socket.onmessage = (event) => {
      if (this.#socket === socket) this.#hear(event.data);
    };
    socket.onclose = (event) => {
      if (this.#socket === socket) this.#closed(event.code);
    };
    this.#silence = setTimeout(() => this.#dropped('network', this.#wait()), OPENING * (1 + this.#tries));
  }

  // Lets go of the socket and of every timer; what an old socket still says is not heard.
  #forget(): void {
    const socket = this.#socket;
    this.#socket = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#silence !== null) clearTimeout(this.#silence);
    this.#timer = null;
    this.#silence = null;
    if (socket === null) return;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
  }

  #hear(data: unknown): void {
    if (typeof data !== 'string') return;
    const message = JSON.parse(data) as Message;
    if (message.type === 'machine' || this.#rhythm) this.#beat();
    switch (message.type) {
      case 'snapshot':
        this.#begun();
        this.seq = message.seq;
        this.#hole = null;
        if (this.#watching === null && message.detail) this.#watching = this.#told = message.detail.run.id;
        this.#listener.take(message);
        this.#tell();
        return;
      case 'resumed':
        this.#begun();
        this.#listener.take(message);
        this.#tell();
        return;
      case 'event':
        if (this.#inOrder(message.event.seq)) this.#listener.take(message);
        return;
      default:
        this.#listener.take(message);
    }
  }

  // The run that was asked for in the address is watched from the beginning, and comes whole; another may have been chosen since.
  #tell(): void {
    if (this.#watching !== null && this.#watching !== this.#told) this.#say({ type: 'watch', run: this.#watching });
    this.#told = this.#watching;
  }

  #begun(): void {
    this.status = 'live';
    this.lost = null;
    this.opened += 1;
    this.#tries = 0;
    if (this.#silence !== null) clearTimeout(this.#silence);
    this.#silence = null;
  }

  // Whether an event is to be taken.
  #inOrder(seq: number): boolean {
    const last = this.seq;
    if (last === null) return false;
    if (seq <= last) return false;
    if (seq > last + 1) {
      if (this.#hole !== last) {
        this.#hole = last;
        this.#dropped('gap', 0);
        return false;
      }
      this.#hole = null; // Asked for all that follows, the server says this: the log itself has the hole (a run was cleaned away).
    }
    this.seq = seq;
    return true;
  }

  // The server has a rhythm from its first look at the machine on; from then on silence is a sign.
  #beat(): void {
    this.#rhythm = true;
    if (this.#silence !== null) clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#dropped('silent', 0), SILENCE);
  }

  #closed(code: number): void {
    if (code === CLOSE_LAGGING) this.#dropped('lagging', 0);
    else if (code === CLOSE_GOING_AWAY) this.#dropped('engine-left', this.#wait());
    else this.#dropped('network', this.#wait());
  }

  #wait(): number {
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#tries);
    return wait * (0.8 + 0.4 * Math.random()); // so that twenty tabs do not come at once
  }

  #dropped(why: Lost, wait: number): void {
    this.#forget();
    if (this.#stopped) return;
    const brief = why === 'gap' || why === 'lagging';
    this.status = brief ? 'connecting' : 'offline';
    this.lost = why;
    this.#tries += 1;
    // A line that breaks at once again and again is not hammered on.
    const after = this.#tries > 3 ? Math.max(wait, this.#wait()) : wait;
    this.retryAt = Date.now() + after;
    this.#timer = setTimeout(() => this.#open(), after);
    if (why === 'network' && this.#tries >= 2) void this.#ask();
  }

  // A refused upgrade looks like a broken line to a page: a request says which it is.
  async #ask(): Promise<void> {
    const status = await this.#line.probe();
    if (this.#stopped || this.status === 'live') return;
    if (status !== 401 && status !== 403) return;
    this.#forget();
    this.status = 'denied';
    this.retryAt = null;
  }
}
