// Generated from crates/server/src/wire by `WRITE_WIRE=1 cargo test -p gadugi-server wire`. Not to be edited.

/** A durable fact in the contract's form; what else it has hangs on its type. */
export type WireEvent = { seq: number, at: string, type: string, run?: string, task?: string, attempt?: number, step?: number, [key: string]: unknown };

/**
 * What was used of models.
 */
export type Usage = {
/**
 * Tokens that models read, beside those of caches.
 */
input_tokens: number,
/**
 * Tokens that models wrote.
 */
output_tokens: number,
/**
 * Tokens read from caches.
 */
cache_read_tokens: number,
/**
 * Tokens written to caches.
 */
cache_write_tokens: number,
/**
 * All of them.
 */
tokens: number,
/**
 * What they cost, US dollars.
 */
cost_usd: number, };

/**
 * Why something was not done.
 */
export type Failure = {
/**
 * Stable: `unauthorized`, `forbidden`, `unknown-run`, `unknown-task`, `bad-request`, `not-retryable`, `land-refused`, …
 */
code: string,
/**
 * One line for people.
 */
message: string,
/**
 * What mends it, where something does.
 */
hint?: string, };

/**
 * A wish was granted, and that is on disk.
 */
export type Accepted = {
/**
 * The run.
 */
run: string,
/**
 * Tasks affected.
 */
tasks: number, };

/**
 * What a retry says to the agents.
 */
export type Retry = {
/**
 * Words for the task's agent.
 */
with?: string, };

/**
 * What is brought home, and where to.
 */
export type Land = {
/**
 * The user's branch; none: the one that is checked out.
 */
into?: string,
/**
 * One task's branch; none: the integration branch.
 */
task?: string, };

/**
 * Work was brought home.
 */
export type Landed = {
/**
 * The user's branch.
 */
into: string,
/**
 * Its new tip.
 */
commit: string,
/**
 * Whether it was fast-forwarded.
 */
fast_forward: boolean,
/**
 * Whether it held the work already.
 */
already: boolean, };

/**
 * The server is there.
 */
export type Health = {
/**
 * `ok`.
 */
status: string, };

/**
 * Tasks by how they stand; together they are all.
 */
export type Counts = {
/**
 * All of them.
 */
total: number,
/**
 * Not begun, or to be taken up again.
 */
waiting: number,
/**
 * Something of theirs is under way, from their workspace to the collecting of their work.
 */
active: number,
/**
 * In the merge queue, or at its head.
 */
merging: number,
/**
 * Over, and done.
 */
succeeded: number,
/**
 * Over, and not done.
 */
failed: number,
/**
 * Ended by somebody.
 */
cancelled: number,
/**
 * Never begun, because of another or of the budget.
 */
skipped: number,
/**
 * Their time was over.
 */
timed_out: number,
/**
 * Nobody can say how they ended.
 */
lost: number, };

/**
 * A page of runs.
 */
export type Runs = {
/**
 * Newest first.
 */
runs: Array<RunRow>,
/**
 * What to ask `before=` for the next page, where there is one.
 */
next?: string, };

/**
 * One run in a list.
 */
export type RunRow = {
/**
 * Its id.
 */
id: string,
/**
 * `active`, `paused`, `ending`, `finished`.
 */
status: string,
/**
 * `asked`, `interrupted`, `engine-lost`, `auth-refused`, while paused.
 */
paused_because?: string,
/**
 * When it was accepted.
 */
started_at: string,
/**
 * When it was over.
 */
finished_at?: string,
/**
 * From its start to its end or to now.
 */
wall_seconds: number,
/**
 * Its tasks.
 */
counts: Counts,
/**
 * How much of it wants a person.
 */
needs: number,
/**
 * What all its tasks used.
 */
usage: Usage,
/**
 * Titles of its first three prompts.
 */
first_titles: Array<string>, };

/**
 * How a run stands.
 */
export type Run = {
/**
 * Its id.
 */
id: string,
/**
 * `active`, `paused`, `ending`, `finished`.
 */
status: string,
/**
 * `asked`, `interrupted`, `engine-lost`, `auth-refused`, while paused.
 */
paused_because?: string,
/**
 * One line about the pause, where there is more to say; else empty.
 */
paused_detail: string,
/**
 * What keeps it from beginning as much as its slots would let it: `memory`, `room`, `cpu`, `disk`, `budget`, `alone`, `api`.
 */
holds: Array<string>,
/**
 * Agents whose account has reached its limit.
 */
limited: Array<Limited>,
/**
 * When it was accepted.
 */
started_at: string,
/**
 * When it was over.
 */
finished_at?: string,
/**
 * From its start to its end or to now.
 */
wall_seconds: number,
/**
 * Measured times of all tasks, added up.
 */
task_seconds: number,
/**
 * `task_seconds` over `wall_seconds`.
 */
speedup: number,
/**
 * The integration branch.
 */
branch: string,
/**
 * Its tip.
 */
tip?: string,
/**
 * The commit that the plan was made for.
 */
base: string,
/**
 * Branches of the user's that hold its work.
 */
landed_into: Array<string>,
/**
 * Tasks that may run at once.
 */
slots: number,
/**
 * What all tasks used.
 */
usage: Usage,
/**
 * What is set aside of the budget for steps that run.
 */
reserved_usd: number,
/**
 * What the run may cost, where it was told.
 */
budget_usd?: number,
/**
 * Why tasks are taken one after another, where the analysis failed.
 */
sequential_because?: string,
/**
 * The merge queue: the task that is being merged, then those that wait for it, in order.
 */
queue: Array<string>,
/**
 * Everything that wants a person.
 */
needs: Array<Need>,
/**
 * When it is expected to end, while it is under way.
 */
forecast?: Forecast,
/**
 * Workspaces kept at the end.
 */
kept: Array<Kept>,
/**
 * Its tasks by how they stand.
 */
counts: Counts,
/**
 * How well the plan foresaw what was written, once it is over.
 */
prediction?: Prediction, };

/**
 * A run with all that a page shows of it, as of one number in the log.
 */
export type RunDetail = {
/**
 * The last number of the log that it holds.
 */
seq: number,
/**
 * How it stands.
 */
run: Run,
/**
 * Its tasks, in plan order.
 */
tasks: Array<Task>,
/**
 * Its plan.
 */
plan: Plan,
/**
 * Its steps over time, in the order of their beginnings.
 */
spans: Array<Span>, };

/**
 * An agent whose account has reached its limit.
 */
export type Limited = {
/**
 * The agent.
 */
agent: string,
/**
 * When it goes on.
 */
until: string, };

/**
 * Something that wants a person.
 */
export type Need = {
/**
 * What it is.
 */
kind: NeedKind,
/**
 * The task, where it is about one.
 */
task?: string,
/**
 * Since when.
 */
since?: string,
/**
 * What happened, in one line.
 */
detail: string,
/**
 * Commands that a person may want, ready to be copied.
 */
commands: Array<string>,
/**
 * What can be done about it here.
 */
actions: Array<Action>, };

/**
 * What wants a person.
 */
export type NeedKind = "failed" | "conflict" | "rejected" | "suspect" | "limit" | "budget" | "auth" | "paused" | "held" | "kept" | "land";

/**
 * What can be done from a page.
 */
export type Action = "retry" | "cancel" | "pause" | "resume" | "land";

/**
 * When a run is expected to end.
 */
export type Forecast = {
/**
 * When all is over, if what is left takes as long as such tasks were seen to take.
 */
ends_at: string,
/**
 * The tasks that its end waits for, one behind the other.
 */
critical_path: Array<string>,
/**
 * The next 200 tasks that are open and go on without a person, by when they begin.
 */
tasks: Array<ExpectedTask>, };

/**
 * When what is left of a task is expected to be done.
 */
export type ExpectedTask = {
/**
 * The task.
 */
task: string,
/**
 * When it begins; the moment of the answer, where it is under way.
 */
begins_at: string,
/**
 * When its agent is done; the same moment, where it only waits to be merged.
 */
ends_at: string, };

/**
 * A workspace that was kept.
 */
export type Kept = {
/**
 * Where.
 */
path: string,
/**
 * Why.
 */
reason: string, };

/**
 * How well a plan foresaw what its tasks wrote: of those whose work is known.
 */
export type Prediction = {
/**
 * Files, folders and patterns that tasks were expected to write.
 */
claims: number,
/**
 * Those of them that came true.
 */
right: number,
/**
 * Files that tasks wrote, each counted for each task.
 */
written: number,
/**
 * Those of them that were expected.
 */
found: number,
/**
 * `right` over `claims`, 0 to 1.
 */
precision?: number,
/**
 * `found` over `written`, 0 to 1.
 */
recall?: number,
/**
 * Pairs of tasks that were expected to write one file, and did.
 */
collisions_foreseen: number,
/**
 * Pairs that did and were not expected to.
 */
collisions_unforeseen: number,
/**
 * Pairs that were expected to and did not.
 */
collisions_in_vain: number, };

/**
 * One step on the time line.
 */
export type Span = {
/**
 * The task.
 */
task: string,
/**
 * The attempt, from 1.
 */
attempt: number,
/**
 * The step of that attempt, from 1.
 */
step: number,
/**
 * `setup`, `agent`, `verify`, …
 */
kind: string,
/**
 * When its process started.
 */
from: string,
/**
 * When it was over; none while it runs.
 */
to?: string, };

/**
 * How a task stands.
 */
export type Task = {
/**
 * Its id.
 */
id: string,
/**
 * The prompt's title.
 */
name: string,
/**
 * The prompt's path.
 */
prompt: string,
/**
 * `waiting`, `preparing`, `ready`, `starting`, `running`, `collecting`, `suspended`, `queued`, `merging`, `verifying`,
 * `advancing`, or an outcome: `succeeded`, `failed`, `timed-out`, `cancelled`, `skipped`, `lost`.
 */
state: string,
/**
 * Whether `state` is an outcome.
 */
over: boolean,
/**
 * `verified`, `unverified`, `no-change`, `rejected`, `conflict`.
 */
verdict?: string,
/**
 * One line: the error, the conflicting files; else empty.
 */
detail: string,
/**
 * Tasks that it still waits for.
 */
waits_for: Array<string>,
/**
 * While something that went wrong is waited out: when it is tried again.
 */
resumes_at?: string,
/**
 * Whether somebody paused it.
 */
held: boolean,
/**
 * While its step gives no sign of life: for how long it had given none when that was noticed.
 */
suspected_seconds?: number,
/**
 * Tries so far.
 */
attempts: number,
/**
 * Steps of the latest attempt.
 */
steps: number,
/**
 * `setup`, `agent`, `verify`, while a step runs.
 */
step_kind?: string,
/**
 * The latest phase that the agent reported, 1 to 11.
 */
phase?: number,
/**
 * Its last action in one line; else empty.
 */
action: string,
/**
 * Process id of the agent (or check) itself, while it runs.
 */
pid?: number,
/**
 * Processor use of its whole process tree in percent of one processor.
 */
cpu_percent: number,
/**
 * Resident memory of its whole process tree, MiB.
 */
memory_mb: number,
/**
 * When the running step started, else when the attempt began.
 */
started_at?: string,
/**
 * When it was over.
 */
finished_at?: string,
/**
 * Measured time of its steps, the running one included.
 */
elapsed_seconds: number,
/**
 * What such tasks were seen to take.
 */
estimate_seconds: number,
/**
 * What it used so far.
 */
usage: Usage,
/**
 * Its branch.
 */
branch?: string,
/**
 * Its workspace.
 */
workspace?: string,
/**
 * Where its steps run: `local`, `docker`.
 */
executor: string,
/**
 * The container of the running step, where it runs in one.
 */
container?: string,
/**
 * The agent that works on it.
 */
agent: string,
/**
 * Its model, where one was named.
 */
model?: string,
/**
 * Where its branch began.
 */
base?: string,
/**
 * The tip of its branch, once collected.
 */
commit?: string,
/**
 * Files that it wrote, once collected.
 */
changed: Array<string>,
/**
 * The agent's conversation, for taking it up by hand.
 */
session?: string,
/**
 * Refs that hold what its attempts left uncommitted.
 */
salvage: Array<string>,
/**
 * What is known of its phases.
 */
phases: Array<Phase>,
/**
 * What it was expected to write beside what it wrote, once its run is over.
 */
prediction?: TaskPrediction, };

/**
 * A task with all that a page shows of it.
 */
export type TaskDetail = {
/**
 * The last number of the log that it holds.
 */
seq: number,
/**
 * Its run.
 */
run: string,
/**
 * How it stands.
 */
task: Task,
/**
 * What the plan says of it.
 */
plan: PlannedTask,
/**
 * The prompt, word for word, as it was when the plan was made.
 */
prompt: string,
/**
 * Its tries, in order.
 */
attempts: Array<Attempt>, };

/**
 * What a task was expected to write beside what it wrote.
 */
export type TaskPrediction = {
/**
 * What came true of what was expected, 0 to 1.
 */
precision?: number,
/**
 * What was expected of what was written, 0 to 1.
 */
recall?: number,
/**
 * Files that were written and not expected.
 */
beyond: Array<string>,
/**
 * What was expected rather than not, and not written.
 */
missed: Array<string>, };

/**
 * What is known of one phase of the workflow.
 */
export type Phase = {
/**
 * Its number, 1 to 11.
 */
phase: number,
/**
 * Its name: `Implementation`.
 */
name: string,
/**
 * What is known.
 */
status: PhaseStatus,
/**
 * The evidence, or the reason; else empty.
 */
says: string, };

/**
 * What is known of a phase.
 */
export type PhaseStatus = "proved" | "claimed" | "unreported" | "left-out" | "failed";

/**
 * One try at a task.
 */
export type Attempt = {
/**
 * From 1.
 */
number: number,
/**
 * When it began.
 */
started_at: string,
/**
 * When it was over; none while it is under way.
 */
ended_at?: string,
/**
 * Its processes, in order.
 */
steps: Array<Step>, };

/**
 * One process of an attempt.
 */
export type Step = {
/**
 * From 1 within the attempt.
 */
number: number,
/**
 * `setup`, `agent`, `verify`, …
 */
kind: string,
/**
 * When its process started.
 */
started_at?: string,
/**
 * When it was over.
 */
ended_at?: string,
/**
 * How it ended, in a few words: `exit 0`, `signal 9`, `out of memory`; none while it runs.
 */
exit?: string,
/**
 * What the agent's turn came to: `done`, `max-turns`, `auth`, `overloaded`, `usage-limit`, `budget`, `crashed`, `silent`;
 * for checks `passed` or `failed`; none while it runs.
 */
came_to?: string,
/**
 * What it used.
 */
usage: Usage,
/**
 * Bytes of its standard output so far.
 */
stdout_bytes: number,
/**
 * Bytes of its standard error so far.
 */
stderr_bytes: number, };

/**
 * The tasks of a run and the edges between them.
 */
export type Plan = {
/**
 * The commit that it was made for.
 */
base: string,
/**
 * In plan order.
 */
tasks: Array<PlannedTask>,
/**
 * What waits for what.
 */
edges: Array<Edge>,
/**
 * Tasks that may begin together, stage by stage.
 */
stages: Array<Array<string>>,
/**
 * Prompts that were left out.
 */
skipped: Array<Skipped>,
/**
 * One line each.
 */
warnings: Array<string>, };

/**
 * What the plan says of a task.
 */
export type PlannedTask = {
/**
 * Its id.
 */
id: string,
/**
 * The prompt's title.
 */
name: string,
/**
 * The prompt's path.
 */
prompt: string,
/**
 * `test-coverage`, `bug-fix`, `feature`, `refactoring`, `documentation`, `configuration`.
 */
kind: string,
/**
 * `low`, `medium`, `high`, `critical`.
 */
complexity: string,
/**
 * Higher first.
 */
priority: number,
/**
 * Tasks that it was told to wait for.
 */
depends_on: Array<string>,
/**
 * What it is expected to take.
 */
estimate: Estimate,
/**
 * What it is expected to write, most probable first.
 */
writes: Array<Write>,
/**
 * Its agent, where the prompt names one.
 */
agent?: string,
/**
 * Its model, where the prompt names one.
 */
model?: string,
/**
 * What it may cost, where it was told.
 */
budget_usd?: number,
/**
 * How its work is tested, where the prompt says so.
 */
verify?: string,
/**
 * Where it runs, where the prompt says so.
 */
executor?: string, };

/**
 * What a task is expected to take.
 */
export type Estimate = {
/**
 * The middle.
 */
seconds: number,
/**
 * Two of three such tasks take no less.
 */
low: number,
/**
 * Two of three such tasks take no more.
 */
high: number,
/**
 * Processors.
 */
cpu: number,
/**
 * MiB.
 */
memory_mb: number,
/**
 * Where it comes from: `table`, `history: 12 tasks`.
 */
source: string, };

/**
 * Something that a task is expected to write.
 */
export type Write = {
/**
 * A file, a folder (with a slash at its end) or a pattern.
 */
path: string,
/**
 * How probable, in percent.
 */
confidence: number,
/**
 * Why, in a few words.
 */
evidence: string,
/**
 * What says so: `explicit`, `symbol`, `history`, …
 */
source: string, };

/**
 * Why one task waits for another.
 */
export type Edge = {
/**
 * The earlier.
 */
from: string,
/**
 * The one that waits.
 */
to: string,
/**
 * `declared`, `same-file`, `import`.
 */
reason: string,
/**
 * In a few words.
 */
evidence: string,
/**
 * How sure, in percent.
 */
confidence: number, };

/**
 * A prompt that was left out.
 */
export type Skipped = {
/**
 * Its path.
 */
path: string,
/**
 * Why.
 */
because: string, };

/**
 * What a step used in a span of time.
 */
export type Figure = {
/**
 * When the span begins.
 */
at: string,
/**
 * Its length; 0 where it is one look.
 */
span_seconds: number,
/**
 * Processors, in percent of one; the mean of the span.
 */
cpu_percent: number,
/**
 * Memory, MiB; the most of the span.
 */
memory_mb: number,
/**
 * Tokens since the step's start.
 */
tokens?: number,
/**
 * What they cost, US dollars.
 */
cost_usd?: number,
/**
 * What its workspace and home take of the disk, MiB.
 */
disk_mb?: number,
/**
 * Bytes received through the gateway since the step's start.
 */
net_in_bytes?: number,
/**
 * Bytes sent through the gateway since the step's start.
 */
net_out_bytes?: number, };

/**
 * What one step was measured to use.
 */
export type FigureSeries = {
/**
 * The task.
 */
task: string,
/**
 * The attempt, from 1.
 */
attempt: number,
/**
 * The step of that attempt, from 1.
 */
step: number,
/**
 * In order of time.
 */
points: Array<Figure>, };

/**
 * What steps of a run were measured to use.
 */
export type Figures = {
/**
 * One for each step that was looked at.
 */
series: Array<FigureSeries>, };

/**
 * The machine now and over time.
 */
export type Machine = {
/**
 * The latest look.
 */
now: MachineFigure,
/**
 * Earlier ones, in order of time.
 */
history: Array<MachineFigure>,
/**
 * What model APIs said of their limits, last of all.
 */
limits: Array<RateLimit>, };

/**
 * What the machine had at one moment. What could not be seen is left out.
 */
export type MachineFigure = {
/**
 * When.
 */
at: string,
/**
 * Of all processors together, 0 to 100.
 */
cpu_percent?: number,
/**
 * The load average of a minute.
 */
load?: number,
/**
 * Processors that gadugi may use; 1.5 are one and a half.
 */
cpus: number,
/**
 * MiB that could be had without swapping.
 */
memory_available_mb?: number,
/**
 * MiB there are.
 */
memory_total_mb?: number,
/**
 * MiB that all running steps take.
 */
agents_memory_mb: number,
/**
 * MiB that are free where the repository lies.
 */
disk_free_mb?: number,
/**
 * Steps that run.
 */
steps: number,
/**
 * Attempts at a time, where a run names no number.
 */
slots: number,
/**
 * Why fewer requests pass to model APIs than agents would make; none: all pass.
 */
slowed?: string, };

/**
 * What a model API said of one of an account's limits.
 */
export type RateLimit = {
/**
 * The account: its host, and a number that tells accounts of one host apart.
 */
account: string,
/**
 * `requests`, `tokens`, `input-tokens`, `output-tokens`, `five-hour`, `seven-day`, …
 */
kind: string,
/**
 * How many there are.
 */
limit?: number,
/**
 * How many are left.
 */
remaining?: number,
/**
 * What is used of it, 0 to 1, where the API says it so.
 */
used?: number,
/**
 * When it is whole again.
 */
resets_at?: string,
/**
 * `allowed`, `allowed-warning`, `rejected`.
 */
status?: string,
/**
 * When it was said.
 */
at: string, };

/**
 * Entries of a step's stream, in order.
 */
export type Entries = {
/**
 * Those that begin at the offset that was asked for, or after it.
 */
entries: Array<Entry>,
/**
 * The offset to ask for next.
 */
next: number,
/**
 * Bytes of the stream so far.
 */
size: number,
/**
 * Whether the step is over: nothing follows beyond `size`.
 */
ended: boolean, };

/**
 * One thing that an agent or a check said or did. Everything in it is text, and is to be shown as text.
 */
export type Entry = {
/**
 * Where its line begins in the stream, bytes.
 */
offset: number,
/**
 * Where the next line begins.
 */
end: number,
/**
 * Its place among the entries of that line, from 0.
 */
index: number,
/**
 * What it is.
 */
kind: EntryKind,
/**
 * When, where the line says so.
 */
at?: string,
/**
 * The id of a tool's use, and of its result.
 */
id?: string,
/**
 * The tool's use within which a sub-agent said it.
 */
parent?: string,
/**
 * One line.
 */
title: string,
/**
 * All of its words, or their beginning where `cut` is set.
 */
text?: string,
/**
 * Whether it is a failure.
 */
is_error: boolean,
/**
 * What a tool's use writes into a file.
 */
edit?: Edit,
/**
 * The whole list, where it is one.
 */
todo?: Array<Todo>,
/**
 * An item of the list, with what it is called from then on.
 */
named?: Named,
/**
 * What a tool was given, as indented JSON.
 */
input?: string,
/**
 * Whether something of it was cut: `/entry` gives it whole.
 */
cut?: boolean, };

/**
 * What an entry is.
 */
export type EntryKind = "text" | "thinking" | "tool" | "edit" | "todo" | "result" | "error" | "note" | "phase" | "final" | "raw";

/**
 * What a tool's use writes into a file.
 */
export type Edit = {
/**
 * The file, as the agent names it.
 */
path: string,
/**
 * Whether it writes the file anew.
 */
created: boolean,
/**
 * Each place.
 */
hunks: Array<Hunk>, };

/**
 * One place of an edit.
 */
export type Hunk = {
/**
 * What goes.
 */
old: string,
/**
 * What comes.
 */
new: string,
/**
 * The line of the new file where what comes begins, from 1, where that is known.
 */
line?: number, };

/**
 * One item of a list of what is to be done.
 */
export type Todo = {
/**
 * What.
 */
text: string,
/**
 * How it stands.
 */
status: TodoStatus, };

/**
 * How an item stands.
 */
export type TodoStatus = "pending" | "in_progress" | "completed";

/**
 * What an item of a list is called where its own words are not said again.
 */
export type Named = {
/**
 * What stands for it as the text of an item in later entries.
 */
name: string,
/**
 * Its words.
 */
text: string, };

/**
 * Which of a step's streams.
 */
export type Stream = "stdout" | "stderr";

/**
 * One place where words were found.
 */
export type Hit = {
/**
 * Where the entry's line begins in the stream, bytes.
 */
offset: number,
/**
 * The entry's place among those of that line.
 */
index: number,
/**
 * What it is.
 */
kind: EntryKind,
/**
 * The words with some around them.
 */
excerpt: string, };

/**
 * Where words were found in a stream.
 */
export type Hits = {
/**
 * In order.
 */
hits: Array<Hit>,
/**
 * What to ask `from=` to search on; none where all was searched.
 */
next?: number, };

/**
 * What is said over the WebSocket forms of `/output` and `/entries`, as JSON text messages. The bytes of `/output` are binary
 * messages between them.
 */
export type OutputMessage = { "type": "begin",
/**
 * The attempt that is read.
 */
attempt: number,
/**
 * Its step.
 */
step: number,
/**
 * Where reading begins: a line's beginning, for entries.
 */
offset: number,
/**
 * Bytes of the stream so far.
 */
size: number,
/**
 * Whether the step is over.
 */
ended: boolean, } | { "type": "entries",
/**
 * They.
 */
entries: Array<Entry>,
/**
 * Where to go on after them.
 */
next: number, } | { "type": "end",
/**
 * The stream's end.
 */
next: number, };

/**
 * From the server: one JSON text message each.
 */
export type Message = { "type": "snapshot",
/**
 * Every event after it follows.
 */
seq: number,
/**
 * The name of the repository's folder.
 */
repository: string,
/**
 * The latest runs, newest first.
 */
runs: Array<RunRow>,
/**
 * The run that is watched: the one asked for, else the latest; none where there is none.
 */
detail?: RunDetail,
/**
 * The machine, once it was looked at.
 */
machine?: MachineFigure, } | { "type": "resumed",
/**
 * The cursor.
 */
seq: number,
/**
 * The name of the repository's folder.
 */
repository: string, } | { "type": "event",
/**
 * The object.
 */
event: WireEvent, } | { "type": "state",
/**
 * The last number of the log that it holds.
 */
seq: number,
/**
 * The run.
 */
run: Run,
/**
 * Tasks that changed.
 */
tasks: Array<Task>, } | { "type": "detail",
/**
 * The run.
 */
detail: RunDetail, } | { "type": "unknown",
/**
 * What was asked for.
 */
run: string, } | { "type": "runs",
/**
 * Newest first.
 */
runs: Array<RunRow>, } | { "type": "activity",
/**
 * The run.
 */
run: string,
/**
 * The task.
 */
task: string,
/**
 * The latest phase that its agent reported.
 */
phase?: number,
/**
 * Its last action in one line.
 */
action: string,
/**
 * What all its steps used so far.
 */
usage: Usage, } | { "type": "machine",
/**
 * What was seen.
 */
machine: MachineFigure,
/**
 * What model APIs said of their limits, last of all.
 */
limits: Array<RateLimit>, };

/**
 * From the page.
 */
export type Say = { "type": "watch",
/**
 * Its id.
 */
run: string, };
