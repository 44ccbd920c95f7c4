// The open thread: the branch that is shown, and every answer that is being written, in this
// thread or another. An answer goes on when the person looks elsewhere.
import { SvelteMap } from 'svelte/reactivity';
import {
  call,
  toAppError,
  type AnswerEvent,
  type AnswerOptions,
  type AppError,
  type ContextMeter,
  type Message,
  type MessageId,
  type Picture,
  type Question,
  type StageProgress,
  type Thread,
  type ThreadId,
} from '../ipc';
import { threads } from './threads.svelte';
import { report } from './toasts.svelte';

/** An answer that is being worked on. */
export interface Live {
  thread: ThreadId;
  /** What is written so far; newer than the message's own text. */
  text: string;
  /** How many go first; null when it is its turn. */
  ahead: number | null;
  stage: StageProgress | null;
  /** When the stage was told, for counting the seconds left down in between. */
  at: number;
}

class Conversation {
  thread = $state<ThreadId | null>(null);
  messages = $state.raw<Message[]>([]);
  context = $state.raw<ContextMeter | null>(null);
  loading = $state(false);
  error = $state.raw<AppError | null>(null);
  /** The message that a search led to. */
  target = $state<MessageId | null>(null);
  readonly live = new SvelteMap<MessageId, Live>();
  /** Counts what was opened, so that a late reply does not replace a newer one. */
  private opened = 0;

  readonly title = $derived(
    this.thread === null ? '' : (threads.find(this.thread)?.title ?? this.firstTitle()),
  );
  /** The answer that is being written in this thread. */
  readonly writing = $derived(this.messages.findLast((m) => m.status === 'writing') ?? null);
  readonly pictures = $derived<Picture[]>(this.messages.flatMap((m) => m.pictures));

  /** Opens a thread; resolves to it, or to null when something else was opened meanwhile. */
  async open(thread: ThreadId, message: MessageId | null = null): Promise<Thread | null> {
    const mine = ++this.opened;
    this.thread = thread;
    this.loading = true;
    this.error = null;
    this.target = null;
    try {
      let opened = await call('thread_open', { thread });
      if (message !== null && !opened.messages.some((m) => m.id === message)) {
        opened = await call('thread_show', { message });
      }
      if (mine !== this.opened) return null;
      this.take(opened);
      this.target = message;
      return opened;
    } catch (thrown) {
      if (mine !== this.opened) return null;
      this.messages = [];
      this.context = null;
      this.error = toAppError(thrown);
      return null;
    } finally {
      if (mine === this.opened) this.loading = false;
    }
  }

  /** Nothing is open but an empty composer. */
  close(): void {
    this.opened += 1;
    this.thread = null;
    this.messages = [];
    this.context = null;
    this.error = null;
    this.loading = false;
    this.target = null;
    call('thread_close', {}).catch(report);
  }

  /** Asks; resolves to the error when the question was not taken. */
  async ask(question: Question): Promise<AppError | null> {
    return this.run((onEvent) => call('ask', { question }, onEvent));
  }

  async regenerate(answer: MessageId, options: AnswerOptions | null = null): Promise<void> {
    const error = await this.run((on) => call('regenerate', { answer, options }, on));
    if (error) report(error);
  }

  async continue(answer: MessageId): Promise<void> {
    const error = await this.run((on) => call('continue_answer', { answer }, on));
    if (error) report(error);
  }

  async stop(): Promise<void> {
    if (this.writing) await call('stop', { answer: this.writing.id }).catch(report);
  }

  /** Shows another version of a question or an answer. */
  async show(message: MessageId): Promise<void> {
    const mine = ++this.opened;
    try {
      const thread = await call('thread_show', { message });
      if (mine === this.opened) this.take(thread);
    } catch (thrown) {
      report(thrown);
    }
  }

  /** A message changed while nobody listened to its channel. */
  changed(message: Message): void {
    if (!this.live.has(message.id)) this.replace(message);
  }

  private async run(
    start: (onEvent: (event: AnswerEvent) => void) => Promise<MessageId>,
  ): Promise<AppError | null> {
    const mine = this.opened;
    let answer: MessageId | null = null;
    try {
      await start((event) => {
        if (event.type === 'accepted') answer = this.accepted(event, mine === this.opened);
        else if (answer !== null) this.follow(answer, event);
      });
      return null;
    } catch (thrown) {
      return toAppError(thrown);
    }
  }

  private accepted(event: AnswerEvent & { type: 'accepted' }, here: boolean): MessageId {
    const { thread, question, answer } = event;
    const live = { thread: thread.id, text: answer.text, ahead: null, stage: null, at: Date.now() };
    this.live.set(answer.id, live);
    threads.changed(thread);
    if (here && (this.thread === null || this.thread === thread.id)) {
      this.thread = thread.id;
      const first = question ?? answer;
      const at = this.messages.findIndex((m) => m.parent === first.parent);
      const kept = at < 0 ? this.messages : this.messages.slice(0, at);
      this.messages = [...kept, ...(question ? [question] : []), answer];
    }
    return answer.id;
  }

  private follow(id: MessageId, event: AnswerEvent): void {
    const live = this.live.get(id);
    if (!live) return;
    if (event.type === 'queued') {
      this.live.set(id, { ...live, ahead: event.ahead, at: Date.now() });
    } else if (event.type === 'stage') {
      this.live.set(id, { ...live, ahead: null, stage: event, at: Date.now() });
    } else if (event.type === 'text') {
      this.live.set(id, { ...live, ahead: null, text: live.text + event.text });
    } else if (event.type === 'done' || event.type === 'failed') {
      this.live.delete(id);
      threads.changed(event.thread);
      this.replace(event.answer);
      if (event.type === 'done' && this.thread === event.thread.id) this.context = event.context;
    }
  }

  private replace(message: Message): void {
    const at = this.messages.findIndex((m) => m.id === message.id);
    if (at >= 0) this.messages = this.messages.with(at, message);
  }

  private take(thread: Thread): void {
    this.thread = thread.summary.id;
    this.messages = thread.messages;
    this.context = thread.context;
    this.loading = false;
    this.error = null;
  }

  private firstTitle(): string {
    return this.messages[0]?.text.split('\n')[0] ?? '';
  }
}

export const conversation = new Conversation();
