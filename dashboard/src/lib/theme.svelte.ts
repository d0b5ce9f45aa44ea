// Light, dark, or what the system says. The choice is this browser's, and kept in it.

export type Theme = 'system' | 'light' | 'dark';

const KEY = 'gadugi-theme';
const NEXT: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' };

function kept(): Theme {
  try {
    const word = window.localStorage.getItem(KEY);
    return word === 'light' || word === 'dark' ? word : 'system';
  } catch {
    return 'system'; // a browser that keeps nothing for a page
  }
}

class ThemeChoice {
  choice: Theme = $state('system');

  /** Takes what was kept. */
  apply(): void {
    this.#set(kept());
  }

  /** System, light, dark, and round again. */
  turn(): void {
    this.#set(NEXT[this.choice]);
    try {
      window.localStorage.setItem(KEY, this.choice);
    } catch {
      // It holds until the page is left.
    }
  }

  #set(choice: Theme): void {
    this.choice = choice;
    const root = document.documentElement;
    if (choice === 'system') delete root.dataset.theme;
    else root.dataset.theme = choice;
  }
}

export const theme = new ThemeChoice();
