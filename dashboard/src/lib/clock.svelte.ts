// The time, once a second, for everything that counts up. One timer for the page; it rests while nobody looks.

class Clock {
  /** Milliseconds since 1970. */
  now = $state(Date.now());

  start(): () => void {
    const timer = window.setInterval(() => {
      if (!document.hidden) this.now = Date.now();
    }, 1000);
    const look = () => {
      if (!document.hidden) this.now = Date.now();
    };
    document.addEventListener('visibilitychange', look);
    return () => {
      window.clearInterval(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }
}

export const clock = new Clock();
