// The mock's threads: the same tree of messages as the real ones, in memory.
import type { AppError, ErrorCode, Message, Picture, Thread, ThreadSummary } from '../bindings';
import { DEFAULTS, type SeedThread } from './seed';

export const PER_PICTURE = 576;
export const LIMIT = 4096;

export function failure(code: ErrorCode, message: string, details: string | null = null): AppError {
  return { code, message, hint: null, details };
}

interface Branch {
  summary: ThreadSummary;
  /** Which child of a message is shown; key 0 holds the first question. */
  shown: Map<number, number>;
  firstTitle: string;
}

export class Tree {
  readonly threads = new Map<number, Branch>();
  readonly messages = new Map<number, Message & { thread: number }>();
  /** What follows a message, by thread and parent. */
  private readonly children = new Map<string, number[]>();
  readonly removed = new Map<number, Branch>();
  private nextId = 1;

  /** Adds what has been said before the mock began. */
  seed(threads: SeedThread[], now: number): void {
    for (const thread of threads) {
      const at = now - thread.hoursAgo * 3_600_000;
      const id = this.create(thread.title, at);
      const branch = this.branch(id);
      branch.summary.pinned = thread.pinned ?? false;
      let parent: number | null = null;
      for (const turn of thread.turns) {
        const question = this.add(id, parent, {
          role: 'user',
          text: turn.text,
          at,
          pictures: turn.pictures ?? [],
          options: { ...DEFAULTS, ...turn.options },
        });
        parent = question.id;
        for (const answer of turn.answers) {
          parent = this.add(id, question.id, { role: 'assistant', at, ...answer }).id;
        }
      }
      branch.summary.updatedAt = at;
    }
  }

  clear(): void {
    this.threads.clear();
    this.messages.clear();
    this.children.clear();
  }

  create(title: string, at: number): number {
    const id = this.nextId++;
    this.threads.set(id, {
      summary: { id, title, updatedAt: at, pinned: false, thumbnail: null, busy: false },
      shown: new Map(),
      firstTitle: title,
    });
    return id;
  }

  branch(thread: number): Branch {
    const branch = this.threads.get(thread);
    if (!branch) throw failure('not_found', 'the thread is not there');
    return branch;
  }

  message(id: number): Message & { thread: number } {
    const message = this.messages.get(id);
    if (!message) throw failure('not_found', 'the message is not there');
    return message;
  }

  add(thread: number, parent: number | null, fields: Partial<Message>): Message {
    const branch = this.branch(thread);
    const key = `${thread}/${parent ?? 0}`;
    const siblings = (this.children.get(key) ?? []).map((id) => this.message(id));
    const message: Message & { thread: number } = {
      id: this.nextId++,
      thread,
      parent,
      role: 'user',
      text: '',
      at: Date.now(),
      pictures: [],
      options: null,
      siblings: [],
      status: 'complete',
      boxes: [],
      stats: null,
      error: null,
      ...fields,
    };
    const ids = [...siblings.map((m) => m.id), message.id];
    for (const m of [...siblings, message]) m.siblings = ids;
    this.children.set(key, ids);
    this.messages.set(message.id, message);
    branch.shown.set(parent ?? 0, message.id);
    branch.summary.updatedAt = message.at;
    branch.summary.thumbnail ??= message.pictures[0]?.id ?? null;
    return message;
  }

  /** Shows the branch that a message lies on. */
  show(id: number): number {
    const { thread } = this.message(id);
    for (
      let m: Message | undefined = this.message(id);
      m;
      m = m.parent ? this.message(m.parent) : undefined
    )
      this.branch(thread).shown.set(m.parent ?? 0, m.id);
    return thread;
  }

  /** The messages that are shown, from the first question on. */
  path(thread: number): Message[] {
    const { shown } = this.branch(thread);
    const path: Message[] = [];
    for (let id = shown.get(0); id !== undefined; id = shown.get(id)) path.push(this.message(id));
    return path;
  }

  open(thread: number, draft: Thread['draft']): Thread {
    const messages = this.path(thread).map((m) => structuredClone(m));
    return {
      summary: { ...this.branch(thread).summary },
      messages,
      context: this.context(messages),
      draft,
    };
  }

  context(messages: Message[]): Thread['context'] {
    const used = messages.reduce(
      (sum, m) => sum + Math.ceil(m.text.length / 3.6) + m.pictures.length * PER_PICTURE + 8,
      messages.length ? 40 : 0,
    );
    return { used, limit: LIMIT, perPicture: PER_PICTURE };
  }

  list(): ThreadSummary[] {
    return [...this.threads.values()]
      .map((b) => ({ ...b.summary }))
      .sort((a, b) => Number(b.pinned) - Number(a.pinned) || b.updatedAt - a.updatedAt);
  }

  pictures(): Picture[] {
    const all = new Map<string, Picture>();
    for (const m of this.messages.values()) for (const p of m.pictures) all.set(p.id, p);
    return [...all.values()];
  }
}
