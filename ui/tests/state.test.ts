// The page's state against a backend that says what the test wants.
import { beforeEach, expect, test, vi } from 'vitest';
import type { AnswerEvent, Message, Thread, ThreadSummary } from '../src/ipc';
import { app } from '../src/state/app.svelte';
import { composer, NOTHING } from '../src/state/composer.svelte';
import { conversation } from '../src/state/conversation.svelte';
import { askToOpen, links } from '../src/state/links.svelte';
import { group, threads } from '../src/state/threads.svelte';
import { report, show, toasts } from '../src/state/toasts.svelte';
import { fakeBackend, message, OPTIONS, picture, summary, type Fake } from './fake';

let fake: Fake;
const CONTEXT = { used: 10, limit: 4096, perPicture: 576 };

function thread(id: number, messages: Message[], draft = NOTHING): Thread {
  return { summary: summary(id), messages, context: CONTEXT, draft };
}

beforeEach(() => {
  vi.useFakeTimers();
  fake = fakeBackend();
  app.settings = {
    language: 'en',
    theme: 'light',
    textSize: 100,
    device: 'auto',
    answer: OPTIONS,
    readAhead: true,
  };
  app.model = { type: 'ready', model: {} as never, device: {} as never };
  toasts.length = 0;
  conversation.close();
  conversation.live.clear();
  composer.load(null, NOTHING);
  threads.begin({ threads: [], next: null, total: 0 });
  fake.calls.length = 0;
});

// ---- threads

test('threads stand under their day, pinned ones first', () => {
  const noon = new Date(2026, 10, 25, 12).getTime();
  const hour = 3_600_000;
  const all: ThreadSummary[] = [
    summary(1, noon - 900 * 24 * hour, true),
    summary(2, noon - hour),
    summary(3, noon - 13 * hour),
    summary(4, noon - 5 * 24 * hour),
    summary(5, noon - 20 * 24 * hour),
    summary(6, noon - 60 * 24 * hour),
  ];
  expect(group(all, noon).map((g) => [g.title, g.threads.map((t) => t.id)])).toEqual([
    ['Pinned', [1]],
    ['Today', [2]],
    ['Yesterday', [3]],
    ['Previous 7 days', [4]],
    ['Previous 30 days', [5]],
    ['September 2026', [6]],
  ]);
});

test('a thread that changed goes where it belongs', () => {
  threads.begin({
    threads: [summary(1, 5, true), summary(2, 9), summary(3, 7)],
    next: null,
    total: 3,
  });
  threads.changed(summary(3, 10));
  expect(threads.all.map((t) => t.id)).toEqual([1, 3, 2]);
  threads.changed(summary(4, 8));
  expect(threads.all.map((t) => t.id)).toEqual([1, 3, 2, 4]);
  expect(threads.total).toBe(4);
  threads.changed(summary(2, 9, true));
  expect(threads.all.map((t) => t.id)).toEqual([2, 1, 3, 4]);
});

test('a thread older than what is loaded waits for its part of the list', async () => {
  threads.begin({ threads: [summary(9, 9), summary(8, 8)], next: 'c', total: 4 });
  threads.changed(summary(2, 2));
  expect(threads.all.map((t) => t.id)).toEqual([9, 8]);
  fake.on('thread_list', () => ({ threads: [summary(8, 8), summary(2, 2)], next: null, total: 4 }));
  await threads.more();
  expect(threads.all.map((t) => t.id)).toEqual([9, 8, 2]);
});

test('deleting offers to undo, and undoing restores', async () => {
  threads.begin({ threads: [summary(1)], next: null, total: 1 });
  const undone = vi.fn();
  await threads.remove(summary(1), undone);
  expect(threads.all).toEqual([]);
  toasts[0]?.action?.run();
  await vi.runAllTimersAsync();
  expect(fake.requests('thread_restore')).toEqual([{ thread: 1 }]);
  expect(undone).toHaveBeenCalled();
});

test('a thread that cannot be deleted stays', async () => {
  threads.begin({ threads: [summary(1)], next: null, total: 1 });
  fake.on('thread_delete', () =>
    Promise.reject({ code: 'disk_full', message: '', hint: null, details: null }),
  );
  expect(await threads.remove(summary(1), () => undefined)).toBe(false);
  expect(threads.all).toHaveLength(1);
  expect(toasts[0]?.code).toBe('disk_full');
});

test('only the newest search counts', async () => {
  const answers: ((value: unknown) => void)[] = [];
  fake.on('search', () => new Promise((done) => answers.push(done)));
  const hit = {
    thread: 1,
    title: '',
    titleMarks: [],
    thumbnail: null,
    message: 1,
    role: 'user',
    at: 0,
    snippet: '',
    marks: [],
  };
  threads.search('ca');
  await vi.advanceTimersByTimeAsync(200);
  threads.search('cat');
  await vi.advanceTimersByTimeAsync(200);
  answers[1]?.({ hits: [{ ...hit, snippet: 'new' }], next: null });
  answers[0]?.({ hits: [{ ...hit, snippet: 'old' }], next: null });
  await vi.runAllTimersAsync();
  expect(threads.hits.map((h) => h.snippet)).toEqual(['new']);
  threads.search('');
  expect(threads.hits).toEqual([]);
});

// ---- conversation

const asked = message(10, { text: 'What is it?' });
const answer = message(11, { parent: 10, role: 'assistant', status: 'writing' });
const accepted: AnswerEvent = { type: 'accepted', thread: summary(5), question: asked, answer };
const QUESTION = {
  thread: null,
  replaces: null,
  text: 'What is it?',
  pictures: [],
  options: OPTIONS,
};
const done = (text: string, id = 11, parent = 10): AnswerEvent => ({
  type: 'done',
  answer: { ...answer, id, parent, text, status: 'complete' },
  thread: summary(5),
  context: { ...CONTEXT, used: 99 },
});

/** Asks; gives back how the backend speaks to that question. */
async function ask(event: AnswerEvent = accepted): Promise<(event: AnswerEvent) => void> {
  fake.on('ask', (_, emit) => {
    emit(event);
    return 11;
  });
  await conversation.ask(QUESTION);
  const { emit } = fake.calls.findLast((c) => c.name === 'ask') ?? { emit: () => undefined };
  return emit;
}

test('a question becomes a thread, and its answer grows', async () => {
  const emit = await ask();
  expect(conversation.thread).toBe(5);
  expect(conversation.messages.map((m) => m.id)).toEqual([10, 11]);
  emit({ type: 'queued', ahead: 2 });
  expect(conversation.live.get(11)?.ahead).toBe(2);
  const stage = { stage: 'seeing', done: 1, total: 2, etaSeconds: 3, seeing: null } as const;
  emit({ type: 'stage', ...stage });
  expect(conversation.live.get(11)).toMatchObject({ ahead: null, stage });
  emit({ type: 'text', text: 'A ' });
  emit({ type: 'text', text: 'boat' });
  expect(conversation.live.get(11)?.text).toBe('A boat');
  expect(conversation.writing?.id).toBe(11);
  emit(done('A boat.'));
  expect(conversation.live.size).toBe(0);
  expect(conversation.writing).toBeNull();
  expect(conversation.messages[1]?.text).toBe('A boat.');
  expect(conversation.context?.used).toBe(99);
});

test('an answer goes on while another thread is open, and is whole on return', async () => {
  const emit = await ask();
  emit({ type: 'text', text: 'A ' });
  fake.on('thread_open', ({ thread: id }) =>
    id === 7 ? thread(7, [message(70)]) : thread(5, [asked, { ...answer, text: 'A ' }]),
  );
  await conversation.open(7);
  emit({ type: 'text', text: 'boat' });
  expect(conversation.messages.map((m) => m.id)).toEqual([70]);
  expect(conversation.context).toEqual(CONTEXT);
  await conversation.open(5);
  // The channel knows more than what was saved.
  expect(conversation.live.get(11)?.text).toBe('A boat');
  emit(done('A boat.'));
  expect(conversation.messages[1]?.text).toBe('A boat.');
});

test('a question that is taken late does not come into another thread', async () => {
  let accept: () => void = () => undefined;
  fake.on('ask', (_, emit) => {
    return new Promise((over) => {
      accept = () => {
        emit(accepted);
        over(11);
      };
    });
  });
  const asking = conversation.ask(QUESTION);
  await vi.advanceTimersByTimeAsync(0);
  fake.on('thread_open', () => thread(7, [message(70)]));
  await conversation.open(7);
  accept();
  await asking;
  expect(conversation.thread).toBe(7);
  expect(conversation.messages.map((m) => m.id)).toEqual([70]);
  expect(threads.all.map((t) => t.id)).toContain(5);
});

test('a thread that opens late does not replace a newer one', async () => {
  const answers = new Map<number, (thread: Thread) => void>();
  fake.on('thread_open', ({ thread: id }) => new Promise((over) => answers.set(id, over)));
  const first = conversation.open(1);
  const second = conversation.open(2);
  await vi.advanceTimersByTimeAsync(0);
  answers.get(2)?.(thread(2, [message(20)]));
  answers.get(1)?.(thread(1, [message(10)]));
  expect(await first).toBeNull();
  expect(await second).not.toBeNull();
  expect(conversation.messages.map((m) => m.id)).toEqual([20]);
});

test('answering again replaces what followed the question', async () => {
  const emit = await ask();
  emit(done('A boat.'));
  const again = { ...answer, id: 12, siblings: [11, 12] };
  fake.on('regenerate', (_, on) => {
    on({ type: 'accepted', thread: summary(5), question: null, answer: again });
    return 12;
  });
  await conversation.regenerate(11);
  expect(conversation.messages.map((m) => m.id)).toEqual([10, 12]);
});

test('a new wording takes the place of the question and all that followed', async () => {
  const emit = await ask();
  emit(done('A boat.'));
  const next = message(20, { text: 'Which?', siblings: [10, 20] });
  await ask({
    type: 'accepted',
    thread: summary(5),
    question: next,
    answer: { ...answer, id: 21, parent: 20 },
  });
  expect(conversation.messages.map((m) => m.id)).toEqual([20, 21]);
});

test('an answer that fails keeps its words and its reason', async () => {
  const emit = await ask();
  emit({ type: 'text', text: 'A bo' });
  const error = { code: 'model_crashed', message: '', hint: null, details: null } as const;
  emit({
    type: 'failed',
    answer: { ...answer, text: 'A bo', status: 'failed', error },
    thread: summary(5),
  });
  expect(conversation.messages[1]).toMatchObject({ text: 'A bo', status: 'failed', error });
  expect(conversation.writing).toBeNull();
});

test('a search leads to a message on another branch', async () => {
  fake.on('thread_open', () => thread(5, [asked, answer]));
  fake.on('thread_show', () => thread(5, [asked, message(33, { parent: 10 })]));
  await conversation.open(5, 33);
  expect(fake.requests('thread_show')).toEqual([{ message: 33 }]);
  expect(conversation.target).toBe(33);
});

test('what the channel tells is newer than a change told without it', async () => {
  await ask();
  conversation.changed({ ...answer, text: 'old' });
  expect(conversation.messages[1]?.text).toBe('');
});

// ---- composer

async function add(...pictures: ReturnType<typeof picture>[]): Promise<void> {
  await composer.add(Promise.resolve({ pictures, refused: [], leftOut: 0 }));
}

test('a question needs what its style needs', async () => {
  expect(composer.missing).toBe('Text');
  composer.setText('What?');
  expect(composer.missing).toBeNull();
  composer.change({ style: 'box' });
  expect(composer.missing).toBe('Picture');
  await add(picture('a'));
  expect(composer.missing).toBeNull();
  composer.change({ style: 'region' });
  expect(composer.missing).toBe('Area');
  composer.change({ style: 'choice' });
  expect(composer.missing).toBe('Options');
  composer.change({ options: ['red', ' '] });
  expect(composer.missing).toBe('Options');
  composer.change({ options: ['red', 'blue'] });
  expect(composer.missing).toBeNull();
  composer.change({ style: 'json', fields: [] });
  expect(composer.missing).toBe('Fields');
  composer.change({ fields: ['colour'] });
  expect(composer.missing).toBeNull();
  composer.setText('');
  composer.change({ style: 'detailed' });
  expect(composer.missing).toBeNull();
});

test('leave to say "cannot tell" is not sent where it has no meaning', async () => {
  await add(picture('a'));
  composer.change({ mayDecline: true, style: 'box' });
  composer.setText('the boat');
  await composer.send();
  expect(fake.requests('ask')).toMatchObject([{ question: { options: { mayDecline: false } } }]);
});

test('pictures are not added twice, and no more than a question takes', async () => {
  await add(picture('a'), picture('b'));
  await add(picture('b'), ...Array.from({ length: 9 }, (_, i) => picture(`c${i}`)));
  expect(composer.pictures).toHaveLength(8);
  expect(new Set(composer.pictures.map((p) => p.id)).size).toBe(8);
  expect(toasts.some((t) => t.text.includes('at most 8'))).toBe(true);
});

test('files that were refused are named with the reason', async () => {
  const error = { code: 'bad_picture', message: '', hint: null, details: null } as const;
  const refused = [{ name: 'notes.txt', error }];
  await composer.add(Promise.resolve({ pictures: [], refused, leftOut: 0 }));
  expect(toasts[0]?.text).toBe('1 file was not added');
  expect(toasts[0]?.hint).toContain('notes.txt');
  expect(toasts[0]?.code).toBe('bad_picture');
});

test('a draft is saved when typing pauses, for its own thread', async () => {
  composer.load(5, NOTHING);
  composer.setText('half a');
  composer.setText('half a question');
  await vi.advanceTimersByTimeAsync(500);
  expect(fake.requests('draft_save')).toEqual([
    { thread: 5, text: 'half a question', pictures: [], options: null },
  ]);
  composer.setText('more');
  composer.load(6, NOTHING);
  expect(fake.requests('draft_save')).toHaveLength(2);
  expect(fake.requests('draft_save')[1]).toMatchObject({ thread: 5, text: 'more' });
  expect(composer.text).toBe('');
});

test('pictures are looked at ahead, once for each change', async () => {
  await add(picture('a'));
  expect(fake.requests('read_ahead')).toHaveLength(1);
  await add(picture('b'));
  expect(fake.requests('read_ahead')).toHaveLength(2);
  const [first, second] = fake.calls.filter((c) => c.name === 'read_ahead');
  const seeing = { picture: 0, patchesDone: 48, patchesTotal: 576 };
  const event = { type: 'stage', stage: 'seeing', done: 1, total: 23, etaSeconds: null, seeing };
  first?.emit(event);
  expect(composer.ahead).toBeNull();
  second?.emit(event);
  expect(composer.ahead).toEqual(seeing);
  second?.emit({ type: 'ready' });
  expect(composer.ahead).toBeNull();
  for (const p of composer.pictures) composer.remove(p);
  expect(fake.requests('read_ahead_stop')).toHaveLength(1);
});

test('nothing is looked at ahead when that is switched off', async () => {
  app.settings = { ...app.settings, readAhead: false };
  await add(picture('a'));
  expect(fake.requests('read_ahead')).toEqual([]);
});

test('a question that is not taken stays in the composer', async () => {
  fake.on('ask', () =>
    Promise.reject({ code: 'no_model', message: '', hint: null, details: null }),
  );
  composer.setText('What?');
  await composer.send();
  expect(composer.text).toBe('What?');
  expect(toasts[0]?.code).toBe('no_model');
});

test('a thread that no longer fits is offered to be shortened', async () => {
  fake.on('ask', () =>
    Promise.reject({ code: 'context_full', message: '', hint: null, details: null }),
  );
  composer.setText('What?');
  await composer.send();
  expect(composer.full?.code).toBe('context_full');
  expect(toasts).toEqual([]);
  await composer.send({ forgetOldest: true });
  expect(fake.requests('ask')[1]).toMatchObject({ question: { options: { forgetOldest: true } } });
});

test('what was sent is gone, and the style for one question with it', async () => {
  await add(picture('a'));
  composer.change({ style: 'detailed' });
  await composer.send();
  expect(composer.pictures).toEqual([]);
  expect(composer.options.style).toBe('chat');
});

test('what is typed while a question is taken stays', async () => {
  fake.on('ask', () => {
    composer.setText('the next one');
    return 11;
  });
  composer.setText('the first one');
  await composer.send();
  expect(composer.text).toBe('the next one');
});

test('wording a question anew keeps the draft and the old wording', async () => {
  composer.setText('a draft');
  composer.edit(message(10, { text: 'What?', pictures: [picture('a')] }));
  expect(composer.text).toBe('What?');
  composer.setText('Which?');
  await vi.advanceTimersByTimeAsync(1000);
  // The new wording is not saved as the thread's draft.
  expect(fake.requests('draft_save')).not.toContainEqual(
    expect.objectContaining({ text: 'Which?' }),
  );
  await composer.send();
  expect(fake.requests('ask')).toMatchObject([{ question: { replaces: 10, text: 'Which?' } }]);
  expect(composer.text).toBe('a draft');
  composer.edit(message(10, { text: 'What?' }));
  composer.cancelEdit();
  expect(composer.text).toBe('a draft');
});

test('an area lies in the first picture of the question', async () => {
  const region = { x1: 1, y1: 2, x2: 30, y2: 40 };
  await add(picture('a'), picture('b'));
  composer.askAbout(picture('b'), region);
  expect(composer.pictures.map((p) => p.id)).toEqual(['b', 'a']);
  expect(composer.options).toMatchObject({ style: 'region', region });
  composer.remove(picture('b'));
  expect(composer.options).toMatchObject({ style: 'chat', region: null });
});

test('an area of the picture that was said first needs no second one', async () => {
  fake.on('thread_open', () =>
    thread(5, [message(10, { pictures: [picture('a'), picture('b')] })]),
  );
  await conversation.open(5);
  composer.load(5, NOTHING);
  composer.askAbout(picture('a'), { x1: 0, y1: 0, x2: 9, y2: 9 });
  expect(composer.pictures).toEqual([]);
  composer.askAbout(picture('b'), { x1: 0, y1: 0, x2: 9, y2: 9 });
  expect(composer.pictures.map((p) => p.id)).toEqual(['b']);
});

// ---- notices and links

test('an error has its sentence, its next step and its code', () => {
  report({ code: 'disk_full', message: 'english', hint: null, details: 'ENOSPC' });
  expect(toasts[0]).toMatchObject({ kind: 'error', code: 'disk_full', details: 'ENOSPC', stay: 0 });
  expect(toasts[0]?.text).toContain('The disk is full');
  expect(toasts[0]?.hint).toContain('Make room');
});

test('what the person stopped is no error, and the same notice comes once', () => {
  report({ code: 'cancelled', message: '', hint: null, details: null });
  expect(toasts).toEqual([]);
  show({ kind: 'info', text: 'again' });
  show({ kind: 'info', text: 'again' });
  expect(toasts).toHaveLength(1);
});

test('whatever was thrown can be shown', () => {
  report(new Error('surprise'));
  expect(toasts[0]).toMatchObject({ code: 'internal', details: 'surprise' });
});

test('only https links are asked about', () => {
  for (const url of ['http://a.b', 'javascript:alert(1)', 'file:///etc/passwd', 'smb://a/b', '']) {
    askToOpen(url);
    expect(links.asking).toBeNull();
  }
  askToOpen('https://example.com/');
  expect(links.asking).toBe('https://example.com/');
  links.asking = null;
  expect(fake.requests('link_open')).toEqual([]);
});
