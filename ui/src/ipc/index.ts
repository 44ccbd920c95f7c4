// The way to the backend. In mock mode (`npm run dev`, tests) another one stands behind it.
import type { Backend, CommandName, EventOf, RequestOf, ResultOf } from './backend';
import type { Rendition } from './bindings';

export { toAppError } from './backend';
export type * from './backend';
export type * from './bindings';

let backend: Backend | undefined;

/** Chooses the backend; called once, before anything else. */
export async function connect(): Promise<void> {
  if (backend) return;
  // `__MOCK__` is a constant of the build: the shipped page holds one of the two.
  if (__MOCK__) {
    const { createMock } = await import('./mock');
    backend = createMock(new URLSearchParams(location.search));
  } else {
    const { tauri } = await import('./tauri');
    backend = tauri;
  }
}

/** For tests: stands in for the backend. */
export function connectTo(other: Backend): void {
  backend = other;
}

/** Calls the backend. Rejects with an `AppError`. */
export function call<N extends CommandName>(
  name: N,
  request: RequestOf<N>,
  onEvent?: (event: EventOf<N>) => void,
): Promise<ResultOf<N>> {
  return connected().call(name, request, onEvent);
}

/** Where to load a picture from. */
export function pictureUrl(id: string, rendition: Rendition): string {
  return connected().pictureUrl(id, rendition);
}

function connected(): Backend {
  if (!backend) throw new Error('connect() comes first');
  return backend;
}
