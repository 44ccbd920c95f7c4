// The question that is being typed: its text, pictures and answer style, kept as a draft of its
// thread, and its pictures looked at ahead.
import { t } from '../i18n/i18n.svelte';
import {
  call,
  type AddedPictures,
  type AnswerOptions,
  type AppError,
  type Draft,
  type Message,
  type Picture,
  type Region,
  type Seeing,
  type Style,
  type ThreadId,
} from '../ipc';
import { app } from './app.svelte';
import { conversation } from './conversation.svelte';
import { report, show, wordsOf } from './toasts.svelte';

/** Pictures that a question takes at most. */
export const MOST_PICTURES = 8;
const SAVE_AFTER = 400;

/** The answer styles in the order of the menu. */
export const STYLES: Style[] = [
  'chat',
  'short',
  'caption',
  'detailed',
  'box',
  'region',
  'check',
  'choice',
  'json',
];

/** Styles that can do without words. */
const WORDLESS: ReadonlySet<Style> = new Set<Style>(['caption', 'detailed', 'region', 'json']);
/** Styles for which leave to say "can't tell" has no meaning. */
const NEVER_DECLINES: ReadonlySet<Style> = new Set<Style>(['box', 'region', 'json']);
/** Styles that are about a picture and nothing else. */
const PICTURED: ReadonlySet<Style> = new Set<Style>([
  'caption',
  'detailed',
  'box',
  'region',
  'json',
]);

export const NOTHING: Draft = { text: '', pictures: [], options: null };

type Missing = 'Text' | 'Picture' | 'Options' | 'Fields' | 'Area';

class Composer {
  text = $state('');
  pictures = $state.raw<Picture[]>([]);
  /** What was chosen here; null: as in the settings. */
  private own = $state.raw<AnswerOptions | null>(null);
  /** The question that is being worded anew. */
  editing = $state.raw<Message | null>(null);
  adding = $state(0);
  /** How far the pictures have been looked at; null while nobody looks. */
  ahead = $state.raw<Seeing | null>(null);
  aheadReady = $state(false);
  /** The thread no longer fits with this question. */
  full = $state.raw<AppError | null>(null);
  sending = $state(false);
  /** The composer of a new thread as it was left. */
  fresh: Draft = NOTHING;
  private thread: ThreadId | null = null;
  private timer = 0;
  private reading = 0;
  /** Whether the backend was asked to look ahead, and not told to stop. */
  private looking = false;
  /** The draft that waits while a question is worded anew. */
  private parked: Draft | null = null;

  readonly options = $derived<AnswerOptions>(this.own ?? app.settings.answer);
  readonly mayDecline = $derived(
    this.options.mayDecline && !NEVER_DECLINES.has(this.options.style),
  );
  readonly canDecline = $derived(!NEVER_DECLINES.has(this.options.style));
  readonly isDefault = $derived(this.own === null);
  readonly missing = $derived(this.whatIsMissing());

  /** Shows the draft of a thread. */
  load(thread: ThreadId | null, draft: Draft): void {
    this.flush();
    this.thread = thread;
    this.parked = null;
    this.editing = null;
    this.full = null;
    this.fill(draft);
  }

  setText(text: string): void {
    this.text = text;
    this.full = null;
    this.save();
  }

  change(change: Partial<AnswerOptions>): void {
    const next = { ...this.options, ...change };
    if (change.style && change.style !== 'region') next.region = null;
    this.own = next;
    this.save();
  }

  reset(): void {
    this.own = null;
    this.save();
  }

  /** Adds what a drop, the clipboard or the dialog brought. */
  async add(coming: Promise<AddedPictures>): Promise<void> {
    this.adding += 1;
    try {
      const added = await coming;
      const fresh = added.pictures.filter((p) => !this.pictures.some((q) => q.id === p.id));
      const room = MOST_PICTURES - this.pictures.length;
      if (fresh.length > room) {
        show({ kind: 'info', text: t('drop.most', { n: MOST_PICTURES }) });
      }
      if (added.leftOut > 0) show({ kind: 'info', text: t('drop.leftOut', { n: added.leftOut }) });
      tellRefused(added);
      if (fresh.length && room > 0) this.setPictures([...this.pictures, ...fresh.slice(0, room)]);
    } catch (thrown) {
      report(thrown);
    } finally {
      this.adding -= 1;
    }
  }

  choose(): Promise<void> {
    return this.add(call('picture_choose', {}));
  }

  remove(picture: Picture): void {
    if (this.options.region && this.pictures[0]?.id === picture.id) this.change({ style: 'chat' });
    this.setPictures(this.pictures.filter((p) => p.id !== picture.id));
  }

  /** Asks about an area of a picture of this thread or question. */
  askAbout(picture: Picture, region: Region): void {
    const others = this.pictures.filter((p) => p.id !== picture.id);
    const saidFirst = conversation.pictures[0]?.id === picture.id && !this.pictures.length;
    // The area lies in the first picture: it comes first, or is the thread's first already.
    if (!saidFirst) this.setPictures([picture, ...others].slice(0, MOST_PICTURES));
    this.change({ style: 'region', region });
  }

  /** Words a question anew; the draft comes back afterwards. */
  edit(question: Message): void {
    this.parked ??= this.draft();
    this.editing = question;
    this.full = null;
    this.fill({ text: question.text, pictures: question.pictures, options: question.options });
  }

  cancelEdit(): void {
    const draft = this.parked ?? NOTHING;
    this.parked = null;
    this.editing = null;
    this.fill(draft);
  }

  /** Asks. What was typed stays until the question is taken. */
  async send(change: Partial<AnswerOptions> = {}): Promise<void> {
    if (this.missing || this.sending || conversation.writing) return;
    this.sending = true;
    this.full = null;
    const { text } = this;
    const options = { ...this.options, ...change, mayDecline: this.mayDecline };
    const error = await conversation.ask({
      thread: conversation.thread,
      replaces: this.editing?.id ?? null,
      text: text.trim(),
      pictures: refs(this.pictures),
      options,
    });
    this.sending = false;
    if (error?.code === 'context_full') this.full = error;
    else if (error) report(error);
    else this.sent(text);
  }

  /** What stands here, leaving out a question that is being worded anew. */
  current(): Draft {
    return this.parked ?? this.draft();
  }

  /** Saves the draft now. */
  flush(): void {
    if (!this.timer) return;
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.editing) return;
    const { text, pictures, options } = this.draft();
    const draft = { thread: this.thread, text, pictures: refs(pictures), options };
    call('draft_save', draft).catch(report);
  }

  private sent(text: string): void {
    // The question takes the place of the reading ahead.
    this.looking = false;
    // What was typed after sending stays.
    const rest = this.text === text ? '' : this.text;
    const draft = this.parked;
    const wasEdit = this.editing !== null;
    this.editing = null;
    this.parked = null;
    if (wasEdit && draft) this.fill(draft);
    else {
      this.forget();
      this.fill({ text: rest, pictures: [], options: afterwards(this.own) });
    }
    this.thread = conversation.thread;
    this.save();
  }

  /** The composer of a new thread is empty again once its question has become one. */
  private forget(): void {
    if (this.thread !== null) return;
    this.fresh = NOTHING;
    clearTimeout(this.timer);
    this.timer = 0;
    call('draft_save', { thread: null, text: '', pictures: [], options: null }).catch(report);
  }

  private draft(): Draft {
    return { text: this.text, pictures: this.pictures, options: this.own };
  }

  private fill(draft: Draft): void {
    this.text = draft.text;
    this.own = draft.options;
    this.setPictures(draft.pictures, false);
  }

  private setPictures(pictures: Picture[], changed = true): void {
    const same = pictures.map((p) => p.id).join() === this.pictures.map((p) => p.id).join();
    this.pictures = pictures;
    if (changed) this.save();
    if (!same) this.readAhead();
  }

  private save(): void {
    if (this.editing) return;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.flush();
    }, SAVE_AFTER);
  }

  /** Has the pictures looked at while the person types. */
  private readAhead(): void {
    const mine = ++this.reading;
    this.ahead = null;
    this.aheadReady = false;
    if (!app.settings.readAhead || app.model.type === 'none') return;
    if (!this.pictures.length) {
      if (this.looking) call('read_ahead_stop', {}).catch(report);
      this.looking = false;
      return;
    }
    this.looking = true;
    const replaces = this.editing?.id ?? null;
    const question = { thread: this.thread, replaces, pictures: refs(this.pictures) };
    // Reading ahead that fails is no reason to trouble anyone: the question will say.
    call('read_ahead', { question }, (event) => {
      if (mine !== this.reading) return;
      if (event.type === 'stage') this.ahead = event.seeing ?? this.ahead;
      else this.ahead = null;
      if (event.type === 'ready') this.aheadReady = true;
    }).catch(() => undefined);
  }

  private whatIsMissing(): Missing | null {
    const { style, options, fields, region } = this.options;
    const text = this.text.trim();
    const pictured = this.pictures.length > 0 || conversation.pictures.length > 0;
    if (PICTURED.has(style) && !pictured) return 'Picture';
    if (style === 'region' && !region) return 'Area';
    if (style === 'json' && !filled(fields).length && !text.includes('{')) return 'Fields';
    if (!text && !WORDLESS.has(style)) return 'Text';
    const lettered = /^\s*[A-Z][.)]\s/m.test(this.text);
    if (style === 'choice' && filled(options).length < 2 && !lettered) return 'Options';
    return null;
  }
}

export const composer = new Composer();

function filled(list: readonly string[]): string[] {
  return list.filter((entry) => entry.trim());
}

/** The options that the next question begins with. */
function afterwards(options: AnswerOptions | null): AnswerOptions | null {
  if (!options) return null;
  const once = ['region', 'caption', 'detailed', 'choice'].includes(options.style);
  const style = once ? app.settings.answer.style : options.style;
  return { ...options, style, region: null, options: [], forgetOldest: false };
}

function refs(pictures: readonly Picture[]) {
  return pictures.map(({ id, name }) => ({ id, name }));
}

function tellRefused(added: AddedPictures): void {
  const [first] = added.refused;
  if (!first) return;
  const { hint } = wordsOf(first.error);
  const lines = added.refused.map(({ name, error }) => `${name}: ${wordsOf(error).text}`);
  show({
    kind: 'error',
    text: t('drop.refused', { n: added.refused.length }),
    hint: added.refused.length === 1 ? `${lines[0] ?? ''} ${hint}` : hint,
    code: first.error.code,
    details: added.refused.length > 1 ? lines.join('\n') : (first.error.details ?? undefined),
    stay: 0,
  });
}
