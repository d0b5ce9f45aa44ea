// Colours for what is drawn on a canvas, which knows no CSS variables: each is worked out by the browser, and anew when the theme
// changes.

import { createSubscriber } from 'svelte/reactivity';
import { theme } from '../theme.svelte';

const changed = createSubscriber((update) => {
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  dark.addEventListener('change', update);
  return () => dark.removeEventListener('change', update);
});

/** The colours of these variables, as `rgb(…)`; read again whenever the theme changes. */
export function colours(names: readonly string[]): string[] {
  changed();
  void theme.choice;
  const probe = document.createElement('span');
  document.body.append(probe);
  const found = names.map((name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return found;
}
