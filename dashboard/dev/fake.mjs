// @ts-check
// For trying the page without an engine, in development only: a run that was never run. It is made up, typed by the wire types, and no
// test builds on it; the tests of the page run real ones (dashboard/e2e).

/**
 * @typedef {import('../src/lib/wire').Task} Task
 * @typedef {import('../src/lib/wire').Run} Run
 * @typedef {import('../src/lib/wire').RunDetail} RunDetail
 * @typedef {import('../src/lib/wire').RunRow} RunRow
 * @typedef {import('../src/lib/wire').Edge} Edge
 * @typedef {import('../src/lib/wire').WireEvent} WireEvent
 * @typedef {import('../src/lib/wire').PhaseStatus} PhaseStatus
 */

const NOW = Date.now();
/** @param {number} seconds before now */
export const ago = (seconds) => new Date(NOW - seconds * 1000).toISOString();
const PHASES = ['Initial Setup', 'Issue Creation', 'Branch Management', 'Research and Planning', 'Implementation', 'Testing', 'Documentation', 'Pull Request', 'Review', 'Review Response', 'Settings Update'];
const TITLES = ['Tokenise string escapes in the lexer', 'Report parser errors with spans', 'Rename Config::load to Config::read', 'Add a --json flag to status', 'Cover the retry policy with tests', 'Document the configuration file', 'Speed up the import graph', 'Bound the queue of the writer', 'Drop the unused feature flags', 'Fix the race in shutdown', 'Cache compiled patterns', 'Name threads', 'Refuse cycles by naming them', 'Colour-blind-safe states in the table', 'Write the changelog of 0.9', 'Port the CLI to the new parser', 'Measure startup', 'Keep the cursor when the list reloads', 'Typed errors in the store', 'Split the 900-line reducer'];
const STATES = ['running', 'running', 'running', 'succeeded', 'succeeded', 'succeeded', 'merging', 'queued', 'failed', 'waiting', 'waiting', 'waiting', 'running', 'running', 'suspended', 'waiting', 'skipped', 'cancelled', 'succeeded', 'running'];
const ACTIONS = ['Edits crates/lexer/src/escape.rs', 'Runs cargo test -p parser --quiet', 'Reads crates/config/src/load.rs', 'Searches for "fn shutdown(" in crates', 'Writes the plan: 6 steps', 'Runs git diff --stat', 'Edits \u001b[31mred\u001b[0m \u202Etxt.exe and <b>bold</b> names'];

/** @param {number} cost */
function usage(cost) {
  const tokens = Math.round(cost * 410_000);
  return { input_tokens: Math.round(tokens * 0.04), output_tokens: Math.round(tokens * 0.03), cache_read_tokens: Math.round(tokens * 0.85), cache_write_tokens: Math.round(tokens * 0.08), tokens, cost_usd: cost };
}

/** @param {number} at @param {string} state @returns {Task} */
function task(at, state) {
  const over = ['succeeded', 'failed', 'skipped', 'cancelled'].includes(state);
  const begun = !['waiting', 'skipped'].includes(state);
  const phase = state === 'running' ? 3 + (at % 5) : begun && over ? 11 : undefined;
  const cost = begun ? 0.21 + ((at * 37) % 90) / 50 : 0;
  /** @type {(n: number) => PhaseStatus} */
  const status = (n) => (n === 2 ? 'left-out' : n === 6 && state === 'failed' ? 'failed' : n === 7 || n === 4 ? 'claimed' : 'proved');
  return {
    id: `t${at}`,
    name: at < TITLES.length ? (TITLES[at] ?? '') : `${TITLES[at % TITLES.length]} (${at})`,
    prompt: `prompts/${at}.md`,
    state,
    over,
    ...(state === 'succeeded' ? { verdict: 'verified', commit: 'c0ffee1234567890', finished_at: ago(900 - at * 20) } : {}),
    ...(state === 'failed' ? { verdict: 'conflict', finished_at: ago(200) } : {}),
    detail: state === 'failed' ? 'Conflicts with main in src/store/mod.rs and src/store/log.rs, also after its agent was asked once' : state === 'skipped' ? 'Depends on a task that failed' : '',
    waits_for: state === 'waiting' ? [`t${at % 3}`, ...(at % 2 ? ['t12'] : [])] : [],
    ...(state === 'suspended' ? { resumes_at: ago(-700) } : {}),
    held: at === 12,
    ...(at === 13 ? { suspected_seconds: 340 } : {}),
    attempts: begun ? (at % 7 === 0 ? 2 : 1) : 0,
    steps: begun ? 2 : 0,
    ...(state === 'running' ? { step_kind: 'agent' } : state === 'merging' ? { step_kind: 'verify' } : {}),
    ...(phase === undefined ? {} : { phase }),
    action: state === 'running' ? (ACTIONS[at % ACTIONS.length] ?? '') : '',
    cpu_percent: state === 'running' ? 40 + at * 3 : 0,
    memory_mb: state === 'running' ? 310 + at * 47 : 0,
    ...(begun ? { started_at: ago(1200 - at * 30) } : {}),
    elapsed_seconds: begun ? 140 + ((at * 71) % 600) : 0,
    estimate_seconds: 420 + ((at * 53) % 300),
    usage: usage(cost),
    branch: `feature/parallel-${at}`,
    executor: 'local',
    agent: 'claude',
    changed: state === 'succeeded' ? ['src/a.rs', 'src/b.rs', 'CHANGELOG.md'] : [],
    salvage: [],
    phases: begun && phase !== undefined ? PHASES.slice(0, phase).map((name, n) => ({ phase: n + 1, name, status: status(n + 1), says: '' })) : [],
  };
}

/** @param {Task[]} tasks */
function counts(tasks) {
  const of = (/** @type {string[]} */ ...states) => tasks.filter((one) => states.includes(one.state)).length;
  return { total: tasks.length, waiting: of('waiting', 'suspended'), active: of('running'), merging: of('merging', 'queued'), succeeded: of('succeeded'), failed: of('failed'), cancelled: of('cancelled'), skipped: of('skipped'), timed_out: 0, lost: 0 };
}

/** @param {number} number of tasks @param {string} id @returns {RunDetail} */
export function detail(number, id) {
  const tasks = Array.from({ length: number }, (_, at) => task(at, STATES[at % STATES.length] ?? 'waiting'));
  /** @type {Edge[]} */
  const edges = [];
  const reasons = ['declared', 'import', 'same-file'];
  for (let at = 3; at < number; at += 1) {
    if (at % 5 === 4) continue;
    edges.push({ from: `t${Math.floor(at / 3)}`, to: `t${at}`, reason: reasons[at % 3] ?? '', evidence: at % 3 === 1 ? 'uses Config::load, which changes' : at % 3 === 2 ? 'both write src/store/mod.rs (75 %)' : 'depends_on', confidence: at % 3 === 0 ? 100 : 50 + (at % 40) });
    if (at % 4 === 0 && at > 8) edges.push({ from: `t${at - 7}`, to: `t${at}`, reason: 'same-file', evidence: 'both write CHANGELOG.md (48 %)', confidence: 48 });
  }
  const cost = tasks.reduce((sum, one) => sum + one.usage.cost_usd, 0);
  /** @type {Run} */
  const run = {
    id,
    status: 'active',
    paused_detail: '',
    holds: ['memory'],
    limited: [{ agent: 'claude', until: ago(-840) }],
    started_at: ago(1500),
    wall_seconds: 1500,
    task_seconds: tasks.reduce((sum, one) => sum + one.elapsed_seconds, 0),
    speedup: 3.4,
    branch: `gadugi/${id}`,
    tip: 'beefcafe12345678',
    base: 'abcdef0123456789',
    landed_into: [],
    slots: 6,
    usage: usage(cost),
    reserved_usd: 3,
    budget_usd: 40,
    queue: ['t6', 't7'],
    needs: [
      { kind: 'conflict', task: 't8', since: ago(200), detail: 'Conflicts with what was merged in src/store/mod.rs and src/store/log.rs. Its agent was asked once and did not resolve it.', commands: ['gadugi diff t8', 'gadugi retry t8 --with "keep both sides"'], actions: ['retry', 'cancel'] },
      { kind: 'suspect', task: 't13', since: ago(340), detail: 'No sign of life for 5m 40s.', commands: ['gadugi logs t13 -f'], actions: ['cancel'] },
      { kind: 'limit', since: ago(60), detail: 'The account of claude has reached its limit; it goes on by itself.', commands: [], actions: ['pause'] },
    ],
    forecast: { ends_at: ago(-1320), critical_path: ['t1', 't3', 't9', 't15'].filter((one) => tasks.some((it) => it.id === one && !it.over)), tasks: tasks.filter((one) => !one.over && !one.held).slice(0, 200).map((one, at) => ({ task: one.id, begins_at: ago(one.state === 'running' ? 0 : -((at * 67) % 900)), ends_at: ago(one.state === 'running' ? -((at * 211) % 700) : -((at * 67) % 900) - 300) })) },
    kept: [],
    counts: counts(tasks),
  };
  const spans = tasks.flatMap((one, at) => {
    if (one.attempts === 0) return [];
    const begin = 1400 - ((at * 97) % 900);
    const end = one.over ? Math.max(20, begin - one.elapsed_seconds) : undefined;
    const agent = { task: one.id, attempt: 1, step: 2, kind: 'agent', from: ago(begin - 20), ...(end === undefined && one.state === 'running' ? {} : { to: ago(end ?? begin - 300) }) };
    const all = [{ task: one.id, attempt: 1, step: 1, kind: 'setup', from: ago(begin), to: ago(begin - 18) }, agent];
    return one.state === 'succeeded' && end !== undefined ? [...all, { task: one.id, attempt: 1, step: 3, kind: 'verify', from: ago(end - 12), to: ago(Math.max(0, end - 60)) }] : all;
  });
  const plan = {
    base: run.base,
    tasks: tasks.map((one) => ({ id: one.id, name: one.name, prompt: one.prompt, kind: 'feature', complexity: 'medium', priority: 0, depends_on: [], estimate: { seconds: one.estimate_seconds, low: 200, high: 900, cpu: 1, memory_mb: 600, source: 'history: 12 tasks' }, writes: [] })),
    edges,
    stages: [],
    skipped: [],
    warnings: [],
  };
  return { seq: 400, run, tasks, plan, spans };
}

/** @param {RunDetail} from @returns {RunRow[]} */
export function rows(from) {
  const row = { id: from.run.id, status: from.run.status, started_at: from.run.started_at, wall_seconds: 1500, counts: from.run.counts, needs: from.run.needs.length, usage: from.run.usage, first_titles: from.tasks.slice(0, 3).map((one) => one.name) };
  const done = { ...row.counts, total: 8, waiting: 0, active: 0, merging: 0, succeeded: 7, failed: 1, cancelled: 0, skipped: 0 };
  return [row, ...[1, 2, 3, 4, 5].map((day) => ({ ...row, id: `orchestration-2026111${day}-101500-00${day}f`, status: 'finished', started_at: ago(86_400 * day), finished_at: ago(86_400 * day - 2400), wall_seconds: 2400, counts: done, needs: day === 2 ? 1 : 0, first_titles: [TITLES[day * 2] ?? '', 'x', 'y'] }))];
}

const TYPES = ['attempt-started', 'workspace-prepared', 'step-intended', 'step-started', 'phase-reached', 'step-ended', 'work-collected', 'merge-started', 'merge-composed', 'merge-accepted', 'task-merged', 'task-finished'];
/** @param {string} run @param {number} number @returns {WireEvent[]} */
export function events(run, number) {
  return Array.from({ length: number }, (_, at) => ({
    seq: at + 1,
    at: ago(1500 - (at * 1500) / number),
    type: at === 0 ? 'run-started' : (TYPES[at % TYPES.length] ?? ''),
    run,
    ...(at === 0 ? {} : { task: `t${at % 20}`, attempt: 1, step: 1, commit: 'c0ffee123456789', base: 'abcdef012345', branch: 'feature/parallel-x', phase: 'implementation', outcome: 'succeeded', what: { kind: 'agent' }, end: { exit: { code: 0 }, wall: 81_000 }, changed: ['a'] }),
  }));
}

export const machine = { at: ago(0), cpu_percent: 61.5, load: 5.2, cpus: 8, memory_available_mb: 9200, memory_total_mb: 32_000, agents_memory_mb: 5400, disk_free_mb: 182_000, steps: 6, slots: 6 };
export const limits = [
  { account: 'api.anthropic.com#1', kind: 'five-hour', used: 0.82, resets_at: ago(-3000), status: 'allowed-warning', at: ago(12) },
  { account: 'api.anthropic.com#1', kind: 'seven-day', used: 0.31, resets_at: ago(-300_000), status: 'allowed', at: ago(12) },
  { account: 'api.anthropic.com#1', kind: 'requests', limit: 4000, remaining: 3871, resets_at: ago(-20), at: ago(2) },
];
export const history = Array.from({ length: 300 }, (_, at) => ({ ...machine, at: ago((300 - at) * 2), cpu_percent: 50 + 30 * Math.sin(at / 17), memory_available_mb: 9200 + 2000 * Math.cos(at / 40), agents_memory_mb: 4000 + at * 5 }));
