// What concerns the whole window: the start, the settings, the model, and what lies on top.
import { i18n, localeOf, t } from '../i18n/i18n.svelte';
import {
  call,
  connect,
  toAppError,
  type AppError,
  type AppEvent,
  type DataFolder,
  type MenuAction,
  type ModelState,
  type Notice,
  type Platform,
  type Settings,
  type SettingsChange,
  type Start,
} from '../ipc';
import { report, show } from './toasts.svelte';

type Phase = { at: 'starting' } | { at: 'running' } | { at: 'failed'; error: AppError };

/** Text sizes that the keys step through, in per cent. */
const SIZES = [80, 90, 100, 110, 125, 150, 175, 200];

class App {
  phase = $state<Phase>({ at: 'starting' });
  version = $state('');
  platform = $state<Platform>('linux');
  settings = $state.raw<Settings>() as Settings;
  model = $state.raw<ModelState>({ type: 'none' });
  data = $state.raw<DataFolder>() as DataFolder;
  view = $state<'chat' | 'settings'>('chat');
  shortcutsOpen = $state(false);
  /** Whether the list is shown: beside the conversation, or over it where there is little room. */
  listOpen = $state(true);
  width = $state(1200);
  /** Something is dragged over the window. */
  dragging = $state(false);
  private systemLocale = $state('en');
  private systemDark = $state(false);

  /** Too narrow for list and conversation side by side, measured in the size of the text. */
  readonly narrow = $derived(this.width / ((this.settings?.textSize ?? 100) / 100) < 1000);
  readonly dark = $derived(
    this.settings?.theme === 'dark' || (this.settings?.theme !== 'light' && this.systemDark),
  );

  /** Connects and gets everything that the first frame needs. */
  async start(onEvent: (event: AppEvent) => void): Promise<Start | undefined> {
    const media = matchMedia('(prefers-color-scheme: dark)');
    this.systemDark = media.matches;
    media.addEventListener('change', () => (this.systemDark = media.matches));
    this.systemLocale = navigator.language;
    i18n.locale = localeOf(this.systemLocale);
    try {
      await connect();
      await call('watch', {}, onEvent);
      return await this.begin();
    } catch (thrown) {
      this.phase = { at: 'failed', error: toAppError(thrown) };
      return undefined;
    }
  }

  /** Gets everything anew: at the start, and after everything changed. */
  async begin(): Promise<Start> {
    const start = await call('start', {});
    this.version = start.version;
    this.platform = start.platform;
    this.systemLocale = start.locale;
    this.model = start.model;
    this.data = start.data;
    this.applySettings(start.settings);
    this.phase = { at: 'running' };
    for (const notice of start.notices) this.tell(notice);
    return start;
  }

  /** Changes settings, at once in the window and then for good. */
  async change(change: SettingsChange): Promise<void> {
    const before = this.settings;
    this.applySettings({ ...before, ...change });
    try {
      this.applySettings(await call('settings_save', { change }));
    } catch (thrown) {
      this.applySettings(before);
      report(thrown);
    }
  }

  stepTextSize(step: -1 | 0 | 1): void {
    const now = this.settings.textSize;
    const next =
      step === 0
        ? 100
        : step > 0
          ? SIZES.find((size) => size > now)
          : SIZES.findLast((size) => size < now);
    if (next) void this.change({ textSize: next });
  }

  onModel(state: ModelState): void {
    this.model = state;
  }

  onSystemTheme(dark: boolean): void {
    this.systemDark = dark;
  }

  private applySettings(settings: Settings): void {
    this.settings = settings;
    const { language } = settings;
    i18n.locale = language === 'system' ? localeOf(this.systemLocale) : language;
  }

  private tell(notice: Notice): void {
    const stay = 15_000;
    if (notice.type === 'interrupted') {
      show({ kind: 'info', text: t('notice.interrupted', { n: notice.answers }), stay });
    } else if (notice.type === 'migrated') {
      show({ kind: 'info', text: t('notice.migrated', { place: notice.backup }), stay });
    } else {
      const threads = t('settings.threads', { n: notice.threads });
      const messages = t('notice.rescuedMessages', { n: notice.messages });
      const text = t('notice.rescued', { threads, messages, place: notice.setAside });
      show({ kind: 'info', text, stay: 0 });
    }
  }
}

export const app = new App();

/** What menu items and keys do; App.svelte fills in what reaches into components. */
export type Actions = Record<MenuAction, () => void>;
