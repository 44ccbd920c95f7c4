// What the page needs from whoever stands behind it: the shell, or the mock in a browser.
import type { AppError, Commands, PictureRef, Rendition } from './bindings';

export type CommandName = keyof Commands;
export type RequestOf<N extends CommandName> = Commands[N]['request'];
export type ResultOf<N extends CommandName> = Commands[N]['result'];
export type EventOf<N extends CommandName> = Commands[N]['events'];

export interface Backend {
  /**
   * Calls `name`. What its channel carries goes to `onEvent`, in order.
   * Rejects with an {@link AppError} and nothing else.
   */
  call<N extends CommandName>(
    name: N,
    request: RequestOf<N>,
    onEvent?: (event: EventOf<N>) => void,
  ): Promise<ResultOf<N>>;
  /** Where the page loads a picture from. */
  pictureUrl(id: PictureRef['id'], rendition: Rendition): string;
}

/** Whatever was thrown, as an error that can be shown. */
export function toAppError(thrown: unknown): AppError {
  if (isAppError(thrown)) return thrown;
  const details = thrown instanceof Error ? thrown.message : String(thrown);
  return { code: 'internal', message: 'Something went wrong.', hint: null, details };
}

function isAppError(value: unknown): value is AppError {
  return (
    typeof value === 'object' &&
    value !== null &&
    'code' in value &&
    typeof value.code === 'string' &&
    'message' in value
  );
}
