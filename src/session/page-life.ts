// The life of the page around initiating conduits. A page is hidden, frozen, put into the back/forward cache, cut off
// from its network, and comes back; what that means for links is said here, once for all conduits of a page:
//
//   hidden, offline        a link that dies is dialled for twice as ever, then at most every SLOW_RETRY_MS (reconnect.ts):
//                          no storms by pages that nobody sees. Not never: onLine errs, and a hidden page may be waited for
//   visible                no more waiting for the backoff; a link that is there is asked whether it lives
//   online                 the same, and an attempt that is under way, into the network of before, is begun anew
//   freeze, pagehide       the link is given up, nothing is dialled: timers will stand still, and an open WebSocket keeps
//   (persisted)            a page out of Chromium's back/forward cache
//   resume, pageshow       a new link at once
//   (persisted)
import { optionsError } from "../errors.js";

interface Listened {
  addEventListener(type: string, listener: (event: Event) => void): void;
  removeEventListener(type: string, listener: (event: Event) => void): void;
}

/** What is needed of a window; `window` has it. */
export interface PageWindow extends Listened {
  readonly document: Listened & { readonly visibilityState: string };
  readonly navigator?: { readonly onLine?: boolean };
}

/** A conduit, to its page. */
export interface PageGuest {
  /** Whether attempts are to be rare from now on. */
  setSlow(slow: boolean): void;
  /** The page is about to be frozen: no link from here on. */
  freeze(): void;
  /** It is back. */
  thaw(): void;
  /** Seen again, or a network came. `newNetwork`: what is under way may lead nowhere. */
  wake(newNetwork: boolean): void;
}

const WINDOW_EVENTS = ["online", "offline", "pagehide", "pageshow"];
const DOCUMENT_EVENTS = ["visibilitychange", "freeze", "resume"];

/** One set of listeners per page, as long as there are conduits that want to know. */
const pages = new WeakMap<PageWindow, PageLife>();

/**
 * Tells the guest of its page's life until the returned function is called; null where there is no page.
 * @param option true or undefined = this program's own page, if it has one; false = none
 * @throws ConduitError CONDUIT_OPTIONS for what is no window
 */
export function joinPage(option: boolean | PageWindow | undefined, guest: PageGuest): (() => void) | null {
  const window = pageOf(option);
  if (!window) return null;
  let page = pages.get(window);
  if (!page) pages.set(window, (page = new PageLife(window)));
  return page.add(guest);
}

/** @throws ConduitError CONDUIT_OPTIONS for what is no window */
export function pageOf(option: boolean | PageWindow | undefined): PageWindow | null {
  if (option === false) return null;
  const given = option !== undefined && option !== true;
  const window = (given ? option : globalThis) as Partial<PageWindow> | null;
  const isPage =
    typeof window?.addEventListener === "function" && typeof window.document?.addEventListener === "function";
  if (given && !isPage) throw optionsError("pageLife must be true, false or a window");
  return isPage ? (window as PageWindow) : null;
}

class PageLife {
  readonly #window: PageWindow;
  readonly #guests = new Set<PageGuest>();

  constructor(window: PageWindow) {
    this.#window = window;
  }

  add(guest: PageGuest): () => void {
    if (this.#guests.size === 0) this.#listen(true);
    this.#guests.add(guest);
    guest.setSlow(this.#slow);
    return () => {
      if (this.#guests.delete(guest) && this.#guests.size === 0) this.#listen(false);
    };
  }

  #listen(on: boolean): void {
    const { document } = this.#window;
    for (const [target, types] of [
      [this.#window, WINDOW_EVENTS],
      [document, DOCUMENT_EVENTS],
    ] as const) {
      for (const type of types) {
        if (on) target.addEventListener(type, this.#handle);
        else target.removeEventListener(type, this.#handle);
      }
    }
  }

  get #slow(): boolean {
    const { document, navigator } = this.#window;
    return document.visibilityState === "hidden" || navigator?.onLine === false;
  }

  readonly #handle = (event: Event): void => {
    const slow = this.#slow;
    const { persisted } = event as PageTransitionEvent;
    for (const guest of [...this.#guests]) {
      guest.setSlow(slow);
      switch (event.type) {
        case "online":
          guest.wake(true);
          break;
        case "visibilitychange":
          if (!slow) guest.wake(false);
          break;
        case "pagehide":
          if (persisted) guest.freeze();
          break;
        case "freeze":
          guest.freeze();
          break;
        case "pageshow":
          if (persisted) guest.thaw();
          break;
        case "resume":
          guest.thaw();
          break;
      }
    }
  };
}
