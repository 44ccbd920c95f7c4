// The whole page against the mock backend: what a person does, and whether everybody can.
import { render, screen, waitFor, within } from '@testing-library/svelte';
import userEvent from '@testing-library/user-event';
import axe from 'axe-core';
import { beforeEach, expect, test } from 'vitest';
import App from '../src/App.svelte';
import { connectTo, type AppEvent } from '../src/ipc';
import { createMock } from '../src/ipc/mock';
import { app } from '../src/state/app.svelte';
import { conversation } from '../src/state/conversation.svelte';
import { links } from '../src/state/links.svelte';
import { pane } from '../src/state/pane.svelte';
import { threads } from '../src/state/threads.svelte';
import { toasts } from '../src/state/toasts.svelte';

let emit: (event: AppEvent) => void;
const user = userEvent.setup({ pointerEventsCheck: 0 });

async function open(query: string): Promise<void> {
  const mock = createMock(new URLSearchParams(`${query}&lang=en&slow=0.02`));
  emit = mock.emit;
  connectTo(mock);
  render(App);
  await waitFor(() => {
    expect(app.phase.at).toBe('running');
    expect(conversation.loading).toBe(false);
  });
}

/** Everything that axe can tell without drawing. */
async function expectAccessible(): Promise<void> {
  const { violations } = await axe.run(document.body, {
    rules: {
      // jsdom draws nothing: contrast is in the identity's table.
      'color-contrast': { enabled: false },
      region: { enabled: false },
    },
  });
  expect(violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`)).toEqual([]);
}

const field = () => screen.getByRole('textbox', { name: /question|问题/ });
const answers = () => screen.getAllByRole('article', { name: 'Answer' });

beforeEach(() => {
  connectTo(createMock(new URLSearchParams()));
  app.phase = { at: 'starting' };
  app.view = 'chat';
  app.shortcutsOpen = false;
  conversation.close();
  conversation.live.clear();
  pane.close();
  threads.search('');
  toasts.length = 0;
  links.asking = null;
});

test('without a model: a welcome that leads to one', async () => {
  await open('model=none&state=empty');
  expect(screen.getByRole('heading', { level: 1 })).toHaveTextContent('Face to face');
  await expectAccessible();
  await user.click(screen.getByRole('button', { name: /Choose a file/ }));
  const use = await screen.findByRole('button', { name: 'Use this model' });
  expect(screen.getByText(/Found: LLaVA-1.5 7B, 4-bit, 4.7 GB/)).toBeVisible();
  expect(screen.getByText(/It fits/)).toBeVisible();
  await user.click(use);
  await waitFor(() => {
    expect(app.model.type).toBe('loading');
  });
  expect(screen.getByRole('progressbar')).toBeInTheDocument();
});

test('a question about a picture is asked and answered', async () => {
  await open('');
  await expectAccessible();
  await user.click(screen.getByRole('button', { name: 'Add pictures' }));
  await screen.findByRole('list', { name: 'Pictures for this question' });
  expect(screen.getByRole('button', { name: 'Ask' })).toBeDisabled();
  await user.type(field(), 'What is it?{Enter}');
  await screen.findByText('Nothing in the picture says when it was taken.', {});
  await waitFor(() => {
    expect(conversation.writing).toBeNull();
  });
  expect(answers()).toHaveLength(1);
  expect(within(answers()[0] as HTMLElement).getByText('main object').localName).toBe('strong');
  expect(screen.getByRole('heading', { level: 1 })).toHaveTextContent('What is it?');
  expect(field()).toHaveValue('');
  await expectAccessible();
});

test('Enter that ends a word of an input method does not ask', async () => {
  await open('');
  await user.type(field(), '这是什么');
  const event = new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true });
  field().dispatchEvent(event);
  expect(conversation.messages).toEqual([]);
  expect(field()).toHaveValue('这是什么');
});

test('an answer is stopped, continued and answered again', async () => {
  await open('slow=1');
  await user.type(field(), '/long{Enter}');
  await waitFor(() => {
    expect(conversation.live.values().next().value?.text ?? '').toMatch(/picture/);
  });
  await user.click(screen.getByRole('button', { name: 'Stop' }));
  await screen.findByText('Stopped');
  await user.click(screen.getByRole('button', { name: 'Continue' }));
  await user.click(await screen.findByRole('button', { name: 'Stop' }));
  await user.click(await screen.findByRole('button', { name: 'Answer again' }));
  await screen.findByRole('group', { name: '2 of 2' });
  await user.keyboard('{Escape}');
  await waitFor(() => {
    expect(conversation.writing).toBeNull();
  });
  await user.click(screen.getByRole('button', { name: 'Previous version' }));
  await screen.findByRole('group', { name: '1 of 2' });
});

test('a question is worded anew; the old wording is kept', async () => {
  await open('open=2');
  await screen.findAllByText(/sailing boat/);
  await user.click(screen.getAllByRole('button', { name: 'Edit the question' })[0] as HTMLElement);
  expect(field()).toHaveValue('What is happening in this harbour?');
  await user.clear(field());
  await user.type(field(), 'How many boats?{Enter}');
  await waitFor(() => {
    expect(conversation.messages).toHaveLength(2);
  });
  await waitFor(() => {
    expect(conversation.writing).toBeNull();
  });
  const [versions] = screen.getAllByRole('group', { name: '2 of 2' });
  await user.click(
    within(versions as HTMLElement).getByRole('button', { name: 'Previous version' }),
  );
  await waitFor(() => {
    expect(conversation.messages).toHaveLength(4);
  });
});

test('a box in an answer is drawn and shown large', async () => {
  await open('open=2');
  await user.click(await screen.findByRole('button', { name: 'Found in the picture' }));
  const shown = await screen.findByRole('region', { name: 'Picture' });
  expect(pane.picture?.name).toBe('harbour.jpg');
  await user.click(within(shown).getByRole('button', { name: 'What the model sees' }));
  expect(pane.seen).toBe(true);
  await expectAccessible();
  await user.keyboard('{Escape}');
  expect(pane.picture).toBeNull();
});

test('an area is marked with the keyboard alone', async () => {
  await open('open=2');
  await user.click(await screen.findByRole('button', { name: 'Found in the picture' }));
  const shown = await screen.findByRole('region', { name: 'Picture' });
  await user.click(within(shown).getByRole('button', { name: 'Ask about this area' }));
  within(shown).getByRole('application').focus();
  await user.keyboard('{ArrowRight}{Shift>}{ArrowDown}{/Shift}{Enter}');
  expect(await screen.findByText('Area in harbour.jpg')).toBeVisible();
});

test('a hostile answer does nothing, and its links ask first', async () => {
  await open('');
  await user.type(field(), '/hostile{Enter}');
  await waitFor(() => {
    expect(conversation.messages).toHaveLength(2);
    expect(conversation.writing).toBeNull();
  });
  const [said] = answers();
  expect(said?.querySelector('script, img, iframe, style, [onerror], [href], [src]')).toBeNull();
  await user.click(within(said as HTMLElement).getByText('safe'));
  const dialog = await screen.findByRole('alertdialog');
  expect(dialog).toHaveTextContent('https://example.com/page');
  await expectAccessible();
  await user.click(within(dialog).getByRole('button', { name: 'Cancel' }));
  expect(links.asking).toBeNull();
});

test('an answer that fails says why and what to do', async () => {
  await open('');
  await user.type(field(), '/fail now{Enter}');
  const alert = await screen.findByRole('alert', {});
  expect(alert).toHaveTextContent('The answer broke off');
  expect(alert).toHaveTextContent('Load it again');
  expect(alert).toHaveTextContent('model_crashed');
});

test('settings, in both languages, at once', async () => {
  await open('');
  await user.keyboard('{Control>},{/Control}');
  await screen.findByRole('heading', { name: 'Settings' });
  await expectAccessible();
  await user.click(screen.getByRole('radio', { name: '简体中文' }));
  await screen.findByRole('heading', { name: '设置' });
  expect(document.documentElement.lang).toBe('zh-CN');
  await user.click(screen.getByRole('radio', { name: '深色' }));
  expect(document.documentElement.dataset['theme']).toBe('dark');
  await user.click(screen.getByRole('button', { name: '删除全部…' }));
  const dialog = await screen.findByRole('alertdialog');
  const go = within(dialog).getByRole('button', { name: '全部删除' });
  expect(go).toBeDisabled();
  await user.type(within(dialog).getByRole('textbox'), '删除');
  expect(go).toBeEnabled();
});

test('text size follows the keys', async () => {
  await open('');
  await user.keyboard('{Control>}={/Control}');
  expect(app.settings.textSize).toBe(110);
  await waitFor(() => {
    expect(document.documentElement.style.fontSize).toBe('17.6px');
  });
  await user.keyboard('{Control>}0{/Control}');
  expect(app.settings.textSize).toBe(100);
});

test('the sheet of keys opens, is readable and closes', async () => {
  await open('');
  await user.keyboard('{F1}');
  await screen.findByRole('dialog', { name: 'Keyboard shortcuts' });
  await expectAccessible();
  await user.keyboard('{Escape}');
  await waitFor(() => {
    expect(screen.queryByRole('dialog')).toBeNull();
  });
});

test('search marks what it found, in Chinese too', async () => {
  await open('');
  await user.keyboard('{Control>}k{/Control}');
  await user.type(screen.getByRole('searchbox'), '港湾');
  await waitFor(() => {
    expect(threads.hits.length).toBeGreaterThan(0);
  });
  const [hit] = threads.hits;
  expect(hit?.snippet.slice(...(hit.marks[0] ?? [0, 0]))).toBe('港湾');
});

test('a drag is shown while it lasts, and what is dropped is added', async () => {
  await open('');
  emit({ type: 'drag', phase: 'over', x: 5, y: 5 });
  await screen.findByText('Drop to ask about it');
  emit({ type: 'drag', phase: 'left' });
  await waitFor(() => {
    expect(screen.queryByText('Drop to ask about it')).toBeNull();
  });
});

test('a start that fails says what to do and nothing else', async () => {
  connectTo({
    call: (name) =>
      name === 'start'
        ? Promise.reject({ code: 'data_too_new', message: '', hint: null, details: 'schema 9' })
        : Promise.resolve(null as never),
    pictureUrl: () => '',
  });
  render(App);
  const alert = await screen.findByRole('alert');
  expect(alert).toHaveTextContent('newer Visavis');
  expect(screen.queryByRole('textbox')).toBeNull();
  await expectAccessible();
});
