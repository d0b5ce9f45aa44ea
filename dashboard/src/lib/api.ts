// Requests to the server, each with an answer or a failure in words. The token is in a cookie that no script can read.

import type { Failure } from './wire';

/** A request that did not come off. */
export class ApiError extends Error {
  constructor(
    /** The HTTP status; 0 where nothing answered. */
    readonly status: number,
    readonly failure: Failure,
  ) {
    super(failure.message);
    this.name = 'ApiError';
  }
}

function isFailure(value: unknown): value is Failure {
  return typeof value === 'object' && value !== null && 'code' in value && 'message' in value;
}

async function failed(response: Response): Promise<ApiError> {
  try {
    const body: unknown = await response.json();
    if (isFailure(body)) return new ApiError(response.status, body);
  } catch {
    // Not JSON: the status has to do.
  }
  return new ApiError(response.status, { code: `http-${response.status}`, message: `The server answered ${response.status} ${response.statusText}.` });
}

/** A request; the response where it is a good one, else an {@link ApiError}. */
export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: 'same-origin', ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error;
    throw new ApiError(0, { code: 'offline', message: 'The engine does not answer.', hint: 'The page reconnects by itself. Look then how it stands, and ask again.' });
  }
  if (!response.ok) throw await failed(response);
  return response;
}

/** GET as JSON. */
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await request(path, signal ? { signal } : {});
  return (await response.json()) as T;
}

/** POST of JSON, answered by JSON. */
export async function post<T>(path: string, body?: unknown): Promise<T> {
  const init: RequestInit = { method: 'POST' };
  if (body !== undefined) {
    init.headers = { 'Content-Type': 'application/json' };
    init.body = JSON.stringify(body);
  }
  const response = await request(path, init);
  return (await response.json()) as T;
}

/** The API's path of a run. */
export function runApi(run: string, rest = ''): string {
  return `/api/runs/${encodeURIComponent(run)}${rest}`;
}

/** The API's path of a task of a run, with further words of a query. */
export function taskApi(run: string, task: string, rest = '', query: Record<string, string | number> = {}): string {
  const words = new URLSearchParams({ run });
  for (const [name, value] of Object.entries(query)) words.set(name, String(value));
  return `/api/tasks/${encodeURIComponent(task)}${rest}?${words}`;
}
