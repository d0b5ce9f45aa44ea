// Numbers and moments as people read them. All of them are short, and take as much room a second later (tabular figures).

/** A length of time: `42s`, `3m 05s`, `1h 12m`, `2d 3h`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${String(whole % 60).padStart(2, '0')}s`;
  const minutes = Math.floor(whole / 60);
  if (whole < 86_400) return `${Math.floor(minutes / 60)}h ${String(minutes % 60).padStart(2, '0')}m`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}

/** US dollars: `$0.00`, `<$0.01`, `$0.42`, `$1,204`. */
export function money(usd: number): string {
  if (usd <= 0) return '$0.00';
  if (usd < 0.01) return '<$0.01';
  if (usd < 1000) return `$${usd.toFixed(2)}`;
  return `$${Math.round(usd).toLocaleString('en-US')}`;
}

/** A count: `950`, `12.3k`, `1.2M`. */
export function count(number: number): string {
  if (number < 1000) return String(Math.round(number));
  if (number < 999_950) return `${trim(number / 1000)}k`;
  if (number < 999_950_000) return `${trim(number / 1_000_000)}M`;
  return `${trim(number / 1_000_000_000)}G`;
}

function trim(number: number): string {
  return number < 100 ? number.toFixed(1).replace(/\.0$/, '') : String(Math.round(number));
}

/** Memory or disk, from MiB: `512 MiB`, `1.4 GiB`. */
export function memory(mib: number): string {
  if (mib < 1024) return `${Math.round(mib)} MiB`;
  if (mib < 1024 * 1024) return `${trim(mib / 1024)} GiB`;
  return `${trim(mib / 1024 / 1024)} TiB`;
}

/** A share, from 0 to 1: `37%`. */
export function percent(share: number): string {
  return `${Math.round(share * 100)}%`;
}

const TIME = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false });
const SHORT = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', hour12: false });
const DAY = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });
const WHOLE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeStyle: 'medium' });

/** A moment in milliseconds since 1970; NaN where it is none. */
export function ms(moment: string): number {
  return Date.parse(moment);
}

function sameDay(one: Date, other: Date): boolean {
  return one.toDateString() === other.toDateString();
}

/** The time of a moment in the reader's zone: `22:15:03`. */
export function time(moment: string): string {
  const at = ms(moment);
  return Number.isNaN(at) ? '' : TIME.format(at);
}

/** A moment, with its day where that is not today: `22:15`, `21 Nov, 22:15`. */
export function moment(at: string | number, now: number): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return '';
  const clock = SHORT.format(date);
  return sameDay(date, new Date(now)) ? clock : `${DAY.format(date)}, ${clock}`;
}

/** A moment in full, for what is shown on hover: in the reader's zone. */
export function whole(at: string): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? '' : WHOLE.format(date);
}

/** How long ago: `just now`, `4 min ago`, `3 h ago`, `2 d ago`. */
export function ago(at: string, now: number): string {
  const seconds = (now - ms(at)) / 1000;
  if (Number.isNaN(seconds)) return '';
  if (seconds < 45) return 'just now';
  if (seconds < 3570) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86_000) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}

/** `1 task`, `3 tasks`. */
export function many(number: number, one: string, more = `${one}s`): string {
  return `${number} ${number === 1 ? one : more}`;
}

/** The readable end of a run's id: `orchestration-20261121-221504-a1b2` is `a1b2`. */
export function shortRun(id: string): string {
  const words = id.split('-');
  return words[words.length - 1] ?? id;
}

/** The beginning of a commit's id. */
export function shortCommit(id: string): string {
  return id.slice(0, 10);
}
