// Short notices at the window's edge: what went wrong and what to do, or what was just undone.
import { isKey, plain } from '../i18n/i18n.svelte';
import { toAppError, type AppError } from '../ipc';

export interface Toast {
  id: number;
  kind: 'error' | 'info';
  text: string;
  hint?: string;
  code?: string;
  details?: string;
  action?: { label: string; run: () => void };
  /** Milliseconds until it goes by itself; 0 stays. */
  stay: number;
}

const MOST = 4;
let nextId = 1;

export const toasts = $state<Toast[]>([]);

export function show(toast: Omit<Toast, 'id' | 'stay'> & { stay?: number }): number {
  const same = toasts.find((t) => t.text === toast.text && t.details === toast.details);
  if (same && !toast.action) return same.id;
  const id = nextId++;
  toasts.push({ stay: toast.kind === 'error' ? 0 : 8000, ...toast, id });
  if (toasts.length > MOST) toasts.shift();
  return id;
}

export function dismiss(id: number): void {
  const at = toasts.findIndex((toast) => toast.id === id);
  if (at >= 0) toasts.splice(at, 1);
}

/** An error's sentence and next step in the window's language. */
export function wordsOf(error: AppError): { text: string; hint: string } {
  const key = `error.${error.code}`;
  const hint = `${key}.hint`;
  return {
    text: isKey(key) ? plain(key) : error.message,
    hint: isKey(hint) ? plain(hint) : (error.hint ?? ''),
  };
}

/** Tells of an error. `about` names the thing at fault where the error does not. */
export function report(thrown: unknown, about?: string): void {
  const error = toAppError(thrown);
  if (error.code === 'cancelled') return;
  const details = [about, error.details].filter(Boolean).join('\n') || undefined;
  show({ kind: 'error', ...wordsOf(error), code: error.code, details });
}
