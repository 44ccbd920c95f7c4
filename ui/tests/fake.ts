// A backend for tests that notes every call and answers what the test says.
import type { Backend, CommandName, EventOf, RequestOf } from '../src/ipc';
import { connectTo, type AnswerOptions, type Message, type Picture } from '../src/ipc';

type Handler = (request: unknown, onEvent: (event: unknown) => void) => unknown;

export interface Fake {
  calls: { name: CommandName; request: unknown; emit: (event: unknown) => void }[];
  on<N extends CommandName>(
    name: N,
    handler: (request: RequestOf<N>, onEvent: (event: EventOf<N>) => void) => unknown,
  ): void;
  requests(name: CommandName): unknown[];
}

/** Connects a new one; calls without a handler come back with null. */
export function fakeBackend(): Fake {
  const handlers = new Map<CommandName, Handler>();
  const fake: Fake = {
    calls: [],
    on: (name, handler) => {
      handlers.set(name, handler as Handler);
    },
    requests: (name) => fake.calls.filter((c) => c.name === name).map((c) => c.request),
  };
  const backend: Backend = {
    async call(name, request, onEvent) {
      const emit = (event: unknown) => {
        onEvent?.(event as never);
      };
      fake.calls.push({ name, request: structuredClone(request), emit });
      await Promise.resolve();
      return ((await handlers.get(name)?.(request, emit)) ?? null) as never;
    },
    pictureUrl: (id, rendition) => `visavis://${id}/${rendition}`,
  };
  connectTo(backend);
  return fake;
}

export const OPTIONS: AnswerOptions = {
  style: 'chat',
  mayDecline: false,
  options: [],
  fields: [],
  region: null,
  maxTokens: 512,
  temperature: 0,
  seed: 0,
  forgetOldest: false,
};

export function picture(id: string, width = 600, height = 400): Picture {
  return { id, name: `${id}.jpg`, width, height, bytes: 1000, warnings: [] };
}

export function message(id: number, fields: Partial<Message> = {}): Message {
  return {
    id,
    parent: null,
    role: 'user',
    text: '',
    at: 0,
    pictures: [],
    options: OPTIONS,
    siblings: [id],
    status: 'complete',
    boxes: [],
    stats: null,
    error: null,
    ...fields,
  };
}

export function summary(id: number, updatedAt = id, pinned = false) {
  return { id, title: `thread ${id}`, updatedAt, pinned, thumbnail: null, busy: false };
}
