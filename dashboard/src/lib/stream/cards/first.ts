// Beginnings of long texts, so that nothing long is read to show one line of it.

/** The first line that says something, at most 400 characters of it. */
export function one(text: string): string {
  const beginning = text.slice(0, 2000);
  const line = beginning.split('\n').find((words) => words.trim() !== '') ?? '';
  return line.trim().slice(0, 400);
}
