import { describe, expect, test } from 'vitest';
import { Unified, unquoted } from './unified';

const DIFF = `diff --git a/src/a.rs b/src/a.rs
index 1..2 100644
--- a/src/a.rs
+++ b/src/a.rs
@@ -1,3 +1,4 @@ fn main() {
 one
-two
+zwei
+drei
 four
@@ -10 +11 @@
--- a list
+++ a list
diff --git a/new file.txt b/new file.txt
new file mode 100644
--- /dev/null
+++ b/new file.txt\t
@@ -0,0 +1 @@
+hello
\\ No newline at end of file
diff --git "a/\\303\\244.txt" "b/\\303\\244.txt"
deleted file mode 100644
--- "a/\\303\\244.txt"
+++ /dev/null
@@ -1 +0,0 @@
-x
diff --git a/old b/moved
similarity index 100%
rename from old
rename to moved
diff --git a/logo.png b/logo.png
index 1..2 100644
Binary files a/logo.png and b/logo.png differ
`;

describe('a diff of git', () => {
  const diff = new Unified(DIFF);

  test('is files', () => {
    expect(diff.files.map(({ path, from, change, binary, added, removed }) => [path, from, change, binary, added, removed])).toEqual([
      ['src/a.rs', '', 'changed', false, 3, 2],
      ['new file.txt', '', 'added', false, 1, 0],
      ['ä.txt', '', 'deleted', false, 0, 1],
      ['moved', 'old', 'renamed', false, 0, 0],
      ['logo.png', '', 'changed', true, 0, 0],
    ]);
  });

  test('is lines with their numbers, also those that look like a header', () => {
    const [file] = diff.files;
    const lines = Array.from({ length: (file?.end ?? 0) - (file?.first ?? 0) }, (_, at) => diff.line((file?.first ?? 0) + at));
    expect(lines.map(({ is, text, old, now }) => `${is} ${old} ${now} ${text}`)).toEqual([
      'hunk 0 0 @@ -1,3 +1,4 @@ fn main() {',
      'same 1 1 one',
      'removed 2 0 two',
      'added 0 2 zwei',
      'added 0 3 drei',
      'same 3 4 four',
      'hunk 0 0 @@ -10 +11 @@',
      'removed 10 0 -- a list',
      'added 0 11 ++ a list',
    ]);
    expect(diff.line(diff.files[1]?.end ? diff.files[1].end - 1 : 0)).toEqual({ is: 'note', text: '\\ No newline at end of file', old: 0, now: 0 });
  });

  test('may be empty, or no diff', () => {
    expect(new Unified('').files).toEqual([]);
    expect(new Unified('hello\n+x\n').files).toEqual([]);
  });

  test('has paths as git quotes them', () => {
    expect(unquoted('"a\\tb\\"c\\\\"')).toBe('a\tb"c\\');
    expect(unquoted('plain')).toBe('plain');
  });
});
