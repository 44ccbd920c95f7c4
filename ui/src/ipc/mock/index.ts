// A backend in the page: `npm run dev` shows the window in any browser, and component tests run
// against it. It keeps the contract of crates/ipc, forgets everything when the page is reloaded,
// and can be set by the address: ?model=none|loading|failed|practice &lang= &theme= &size= &state=empty
// &threads=10000 &slow=4 &open=3 &notice=1.
import type { Backend, CommandName, EventOf, RequestOf, ResultOf } from '../backend';
import type {
  AddedPictures,
  AnswerEvent,
  AnswerOptions,
  AppEvent,
  Draft,
  Message,
  ModelState,
  Picture,
  Settings,
  Start,
} from '../bindings';
import { Answering, wait } from './answering';
import { FULL, HARDWARE, LARGE, PRACTICE, found, stateFrom } from './model';
import { boxesOf, reply } from './replies';
import { SCENES, sceneUrl } from './scenes';
import { search } from './search';
import { DEFAULTS, THREADS, many } from './seed';
import { LIMIT, PER_PICTURE, Tree, failure } from './tree';

type Handlers = {
  [N in CommandName]: (
    request: RequestOf<N>,
    onEvent: (event: EventOf<N>) => void,
  ) => ResultOf<N> | Promise<ResultOf<N>>;
};

const EMPTY: Draft = { text: '', pictures: [], options: null };

export function createMock(params: URLSearchParams): Backend & { emit: (event: AppEvent) => void } {
  const mock = new Mock(params);
  return {
    async call(name, request, onEvent) {
      await Promise.resolve();
      const handler = mock.handlers[name];
      return structuredClone(await handler(request, onEvent ?? (() => undefined)));
    },
    pictureUrl: (id, rendition) => mock.pictureUrl(id, rendition === 'seen'),
    emit: (event) => {
      mock.emit(event);
    },
  };
}

class Mock {
  private tree = new Tree();
  private model: ModelState;
  private settings: Settings;
  private drafts = new Map<number, Draft>();
  private files = new Map<string, { picture: Picture; url: string }>();
  private dropped = new Map<number, File[]>();
  private answering: Answering;
  private watchers: ((event: AppEvent) => void)[] = [];
  private chosen = 0;

  constructor(private params: URLSearchParams) {
    this.model = stateFrom(params.get('model'));
    this.settings = {
      language: (params.get('lang') as Settings['language'] | null) ?? 'system',
      theme: (params.get('theme') as Settings['theme'] | null) ?? 'system',
      textSize: Number(params.get('size') ?? 100),
      device: 'auto',
      answer: DEFAULTS,
      readAhead: true,
    };
    if (params.get('state') !== 'empty') this.tree.seed(THREADS, Date.now());
    this.tree.seed(many(Number(params.get('threads') ?? 0)), Date.now());
    this.answering = new Answering(
      this.tree,
      { slow: Number(params.get('slow') ?? 1) },
      (thread) => {
        this.emit({ type: 'threadChanged', thread });
      },
      () => this.model.type === 'ready',
    );
    listenForDrags(this);
    if (this.model.type === 'loading') void this.load(FULL.id);
  }

  emit(event: AppEvent): void {
    for (const watcher of this.watchers) watcher(structuredClone(event));
  }

  keepDrop(files: File[]): number {
    const drop = this.dropped.size + 1;
    this.dropped.set(drop, files);
    return drop;
  }

  pictureUrl(id: string, seen: boolean): string {
    return this.files.get(id)?.url ?? sceneUrl(id, seen) ?? '';
  }

  readonly handlers: Handlers = {
    start: () => this.start(),
    watch: (_, onEvent) => {
      this.watchers.push(onEvent);
      return null;
    },
    window_ready: () => null,

    thread_list: ({ cursor, limit }) => this.page(Number(cursor ?? 0), limit),
    thread_open: ({ thread }) => this.tree.open(thread, this.drafts.get(thread) ?? EMPTY),
    thread_close: () => null,
    thread_show: ({ message }) => {
      const thread = this.tree.show(message);
      return this.tree.open(thread, this.drafts.get(thread) ?? EMPTY);
    },
    thread_rename: ({ thread, title }) => {
      const branch = this.tree.branch(thread);
      branch.summary.title = title.trim() || branch.firstTitle;
      return this.changed(thread);
    },
    thread_pin: ({ thread, pinned }) => {
      this.tree.branch(thread).summary.pinned = pinned;
      return this.changed(thread);
    },
    thread_delete: ({ thread }) => {
      this.tree.removed.set(thread, this.tree.branch(thread));
      this.tree.threads.delete(thread);
      this.emit({ type: 'threadRemoved', thread });
      return null;
    },
    thread_restore: ({ thread }) => {
      const branch = this.tree.removed.get(thread);
      if (!branch) throw failure('not_found', 'the thread is not there');
      this.tree.threads.set(thread, branch);
      return this.changed(thread);
    },
    search: async ({ query, cursor }) => {
      await wait(30);
      return search(this.tree, query, cursor);
    },

    ask: ({ question }, onEvent) => {
      const { text, options } = question;
      this.checkRoom(question.thread, text, question.pictures.length, options);
      const thread = question.thread ?? this.tree.create(titleOf(text), Date.now());
      const parent = question.replaces
        ? this.tree.message(question.replaces).parent
        : (this.tree.path(thread).at(-1)?.id ?? null);
      const pictures = question.pictures.map((p) => ({ ...this.picture(p.id), name: p.name }));
      const asked = this.tree.add(thread, parent, { text, pictures, options });
      return this.answer(thread, asked, onEvent, asked);
    },
    regenerate: ({ answer }, onEvent) => {
      const old = this.tree.message(answer);
      const question = this.tree.message(old.parent ?? 0);
      return this.answer(old.thread, question, onEvent, null, ' (Said another way.)');
    },
    continue_answer: ({ answer }, onEvent) => {
      const message = this.tree.message(answer);
      message.status = 'writing';
      message.error = null;
      const text = `${message.text} the glaze turns lighter towards the middle.`;
      this.submit(message.thread, message, text, 0, onEvent, null);
      return answer;
    },
    stop: ({ answer }) => {
      this.answering.stop(answer);
      return null;
    },
    read_ahead: async ({ question }, onEvent) => {
      for (let i = 0; i <= 24 && question.pictures.length; i++) {
        const seeing = { picture: 0, patchesDone: i * 24, patchesTotal: 576 };
        onEvent({ type: 'stage', stage: 'seeing', done: i, total: 24, etaSeconds: null, seeing });
        await wait(70 * Number(this.params.get('slow') ?? 1));
      }
      this.answering.seenAhead = true;
      onEvent({ type: 'ready' });
      return null;
    },
    read_ahead_stop: () => null,
    draft_save: ({ thread, text, pictures, options }) => {
      const whole = pictures.map((p) => ({ ...this.picture(p.id), name: p.name }));
      this.drafts.set(thread ?? 0, { text, pictures: whole, options });
      return null;
    },

    picture_choose: () => {
      const all = Object.values(SCENES);
      const scene = all[this.chosen++ % all.length];
      return { pictures: scene ? [scene.picture] : [], refused: [], leftOut: 0 };
    },
    picture_add_dropped: ({ drop }) => this.addFiles(this.dropped.get(drop) ?? []),
    picture_add_pasted: (bytes) =>
      this.addFiles([new File([bytes as Uint8Array<ArrayBuffer>], '', { type: 'image/png' })]),

    model_choose: async ({ source }) => {
      await wait(700);
      return found(source === 'folder' ? LARGE : FULL, false);
    },
    model_list: () => {
      const used = this.model.type === 'none' ? '' : this.model.model.id;
      if (!used && !this.params.has('known')) return [];
      return [FULL, LARGE, PRACTICE].map((model) => found(model, model.id === used));
    },
    model_use: ({ model }) => {
      void this.load(model);
      return null;
    },
    model_reload: () => {
      void this.load(this.model.type === 'none' ? FULL.id : this.model.model.id);
      return null;
    },
    hardware: async () => {
      await wait(300);
      return HARDWARE;
    },

    settings_save: ({ change }) => {
      this.settings = { ...this.settings, ...change };
      return this.settings;
    },
    data_folder: () => this.data(),
    data_folder_show: () => null,
    backup_save: async () => {
      await wait(600);
      return { location: '/home/mei/visavis-2026-11-25.zip', bytes: 48_200_000 };
    },
    backup_choose: () => {
      const at = Date.now() - 3 * 86_400_000;
      return { id: 1, location: '/home/mei/visavis.zip', at, threads: 41, pictures: 63 };
    },
    backup_restore: () => {
      this.emit({ type: 'everything' });
      return null;
    },
    delete_everything: () => {
      this.tree.clear();
      this.drafts.clear();
      this.emit({ type: 'everything' });
      return null;
    },
    link_open: () => null,
  };

  private start(): Start {
    const open = this.params.get('open');
    return {
      version: '0.1.0',
      platform: 'linux',
      locale: navigator.language,
      settings: this.settings,
      model: this.model,
      threads: this.page(0, 100),
      draft: this.drafts.get(0) ?? EMPTY,
      open: open ? (this.tree.list()[Number(open) - 1]?.id ?? null) : null,
      data: this.data(),
      notices: this.params.has('notice') ? [{ type: 'interrupted', answers: 1 }] : [],
    };
  }

  private page(from: number, limit: number) {
    const all = this.tree.list();
    const next = from + limit < all.length ? String(from + limit) : null;
    return { threads: all.slice(from, from + limit), next, total: all.length };
  }

  private data() {
    const pictures = this.tree.pictures();
    return {
      location: '/home/mei/.local/share/visavis',
      threads: this.tree.threads.size,
      pictures: pictures.length,
      bytes: pictures.reduce((sum, p) => sum + p.bytes, 1_200_000),
    };
  }

  private changed(thread: number): null {
    this.emit({ type: 'threadChanged', thread: { ...this.tree.branch(thread).summary } });
    return null;
  }

  private picture(id: string): Picture {
    const scene = Object.values(SCENES).find((s) => s.picture.id === id);
    const picture = this.files.get(id)?.picture ?? scene?.picture;
    if (!picture) throw failure('not_found', 'the picture is not there');
    return picture;
  }

  private checkRoom(thread: number | null, text: string, pictures: number, o: AnswerOptions): void {
    if (this.model.type === 'none') throw failure('no_model', 'no model is loaded');
    const path = thread ? this.tree.path(thread) : [];
    const used = this.tree.context(path).used + text.length / 3.6 + pictures * PER_PICTURE;
    if (used > LIMIT && !o.forgetOldest) {
      throw failure('context_full', 'the thread no longer fits', `${Math.round(used)} > ${LIMIT}`);
    }
  }

  private answer(
    thread: number,
    question: Message,
    onEvent: (event: AnswerEvent) => void,
    asked: Message | null,
    ending = '',
  ): number {
    const options = question.options ?? DEFAULTS;
    const answer = this.tree.add(thread, question.id, { role: 'assistant', status: 'writing' });
    const text = reply(question.text, options) + ending;
    answer.boxes = boxesOf(text, this.tree.path(thread).flatMap((m) => m.pictures)[0]);
    this.submit(thread, answer, text, question.pictures.length, onEvent, asked);
    return answer.id;
  }

  private submit(
    thread: number,
    answer: Message,
    text: string,
    pictures: number,
    send: (event: AnswerEvent) => void,
    question: Message | null,
  ): void {
    const summary = { ...this.tree.branch(thread).summary, busy: true };
    send(structuredClone({ type: 'accepted', thread: summary, question, answer }));
    const fails = question?.text.startsWith('/fail') ?? false;
    this.answering.submit({ thread, answer: answer.id, text, pictures, fails, send });
  }

  private async load(id: string): Promise<void> {
    const model = [FULL, LARGE, PRACTICE].find((m) => m.id === id) ?? FULL;
    const steps = 60;
    for (let i = 0; i < steps; i++) {
      const done = (model.bytes * i) / steps;
      const etaSeconds = (steps - i) * 0.12;
      this.model = { type: 'loading', model, done, total: model.bytes, etaSeconds };
      this.emit({ type: 'model', state: this.model });
      await wait(120);
    }
    const ready = stateFrom('ready');
    this.model = ready.type === 'ready' ? { ...ready, model } : ready;
    this.emit({ type: 'model', state: this.model });
  }

  private async addFiles(files: File[]): Promise<AddedPictures> {
    await wait(120);
    const added: AddedPictures = { pictures: [], refused: [], leftOut: 0 };
    for (const file of files) {
      const url = URL.createObjectURL(file);
      const size = await measure(url);
      if (!size) {
        const error = failure('bad_picture', 'not a picture', `${file.name}: no picture inside`);
        added.refused.push({ name: file.name, error });
        continue;
      }
      const id = `f${this.files.size}`.padEnd(64, '0');
      const picture = { id, name: file.name, ...size, bytes: file.size, warnings: [] };
      this.files.set(id, { picture, url });
      added.pictures.push(picture);
    }
    return added;
  }
}

function titleOf(text: string): string {
  return text.trim().split('\n')[0]?.slice(0, 60) ?? '';
}

function measure(url: string): Promise<{ width: number; height: number } | null> {
  return new Promise((done) => {
    const image = document.createElement('img');
    image.onload = () => {
      done({ width: image.naturalWidth, height: image.naturalHeight });
    };
    image.onerror = () => {
      done(null);
    };
    image.src = url;
  });
}

/** The browser's drags, told as the shell tells its own. */
function listenForDrags(mock: Mock): void {
  const over = (event: DragEvent) => {
    event.preventDefault();
    mock.emit({ type: 'drag', phase: 'over', x: event.clientX, y: event.clientY });
  };
  document.addEventListener('dragover', over);
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) mock.emit({ type: 'drag', phase: 'left' });
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    const files = [...(event.dataTransfer?.files ?? [])];
    const drop = mock.keepDrop(files);
    mock.emit({ type: 'drag', phase: 'dropped', drop, files: files.length });
  });
}
