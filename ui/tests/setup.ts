// What a browser has and jsdom has not, as far as the page needs it to be there.
import '@testing-library/jest-dom/vitest';
import { configure } from '@testing-library/svelte';

// A busy machine is no failure.
configure({ asyncUtilTimeout: 30_000 });

class Observer {
  observe = () => undefined;
  unobserve = () => undefined;
  disconnect = () => undefined;
}

Object.assign(globalThis, { ResizeObserver: Observer, IntersectionObserver: Observer });

window.matchMedia = (query) =>
  Object.assign(new EventTarget(), {
    matches: false,
    media: query,
    onchange: null,
    addListener: () => undefined,
    removeListener: () => undefined,
  }) as MediaQueryList;

Element.prototype.scrollIntoView = () => undefined;
Element.prototype.scrollTo = () => undefined;
Element.prototype.setPointerCapture = () => undefined;
Element.prototype.hasPointerCapture = () => false;
Element.prototype.getAnimations ??= () => [];
// Nothing is drawn here: the veil's arithmetic has tests of its own.
HTMLCanvasElement.prototype.getContext = () => null;
