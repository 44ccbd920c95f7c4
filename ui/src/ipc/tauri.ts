// The shell as backend. This folder is the only one that imports @tauri-apps.
import { Channel, convertFileSrc, invoke } from '@tauri-apps/api/core';
import {
  toAppError,
  type Backend,
  type CommandName,
  type EventOf,
  type RequestOf,
} from './backend';
import type { Commands } from './bindings';

/** The calls that send events while they run. */
const WITH_EVENTS: ReadonlySet<CommandName> = new Set<CommandName>([
  'watch',
  'ask',
  'regenerate',
  'continue_answer',
  'read_ahead',
]);

export const tauri: Backend = {
  async call<N extends CommandName>(
    name: N,
    request: RequestOf<N>,
    onEvent?: (event: EventOf<N>) => void,
  ): Promise<Commands[N]['result']> {
    try {
      // Bytes are sent as the whole body, not as a list of numbers in JSON.
      if (request instanceof Uint8Array) return await invoke(name, request);
      if (!WITH_EVENTS.has(name)) return await invoke(name, { request });
      const events = new Channel<EventOf<N>>(onEvent);
      return await invoke(name, { request, events });
    } catch (thrown) {
      throw toAppError(thrown);
    }
  },
  pictureUrl: (id, rendition) => convertFileSrc(`${id}/${rendition}`, 'visavis'),
};
