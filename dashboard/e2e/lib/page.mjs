// The page by its words and roles: what somebody sees who uses it, by eye or by ear.

/** The views of a run, by the names in its bar. */
export const VIEWS = ['Overview', 'Graph', 'Timeline', 'Merge queue', 'Log', 'Figures'];

/** The row of a task in the overview. */
export function row(page, title) {
  return page.locator('tr, li').filter({ has: page.getByRole('link', { name: title, exact: true }) }).first();
}

/** Waits until a task's row says one of these words of its state. */
export async function says(page, title, words) {
  const wanted = new RegExp(`\\b(${[words].flat().join('|')})\\b`);
  await row(page, title).filter({ hasText: wanted }).waitFor();
}

/** Goes to a view of the run. */
export async function view(page, name) {
  const bar = page.getByRole('navigation', { name: 'Views of the run' });
  if (!(await bar.isVisible())) await page.goBack();
  await bar.getByRole('link', { name }).click();
  await bar.locator('[aria-current=page]', { hasText: name }).waitFor();
}

/** Opens a task from its row. */
export async function open(page, title) {
  await row(page, title).getByRole('link', { name: title, exact: true }).click();
  await page.getByRole('heading', { name: title, level: 1 }).waitFor();
}

/** Presses a button of a task's row and says yes. */
export async function act(page, title, action) {
  await row(page, title).getByRole('button', { name: `${action} ${title}`, exact: true }).click();
  await confirm(page, action);
}

/** Says yes to what is asked. */
export async function confirm(page, action) {
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: new RegExp(`^${action}`) }).click();
  await dialog.waitFor({ state: 'hidden' });
}

/** The id of the run on view. */
export function runOf(page) {
  return decodeURIComponent(new URL(page.url()).pathname.split('/')[2]);
}

/** Waits until the page is at the latest run. */
export async function atRun(page) {
  await page.waitForURL((url) => url.pathname.startsWith('/runs/orchestration-'));
  return runOf(page);
}
