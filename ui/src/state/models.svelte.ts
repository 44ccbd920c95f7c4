// Choosing a model: from this computer, or among those that are known.
import { call, toAppError, type AppError, type FoundModel, type ModelSource } from '../ipc';
import { report } from './toasts.svelte';

class Models {
  known = $state.raw<FoundModel[]>([]);
  /** What the dialog brought. */
  found = $state.raw<FoundModel | null>(null);
  error = $state.raw<AppError | null>(null);
  checking = $state(false);

  async list(): Promise<void> {
    try {
      this.known = await call('model_list', {});
    } catch (thrown) {
      report(thrown);
    }
  }

  /** Lets the person pick a folder or file, and looks at it. */
  async choose(source: ModelSource): Promise<void> {
    this.checking = true;
    this.error = null;
    try {
      const found = await call('model_choose', { source });
      if (found) this.found = found;
    } catch (thrown) {
      this.error = toAppError(thrown);
      this.found = null;
    } finally {
      this.checking = false;
    }
  }

  async use(model: FoundModel): Promise<void> {
    try {
      await call('model_use', { model: model.model.id });
      this.found = null;
      await this.list();
    } catch (thrown) {
      report(thrown);
    }
  }

  async reload(): Promise<void> {
    await call('model_reload', {}).catch(report);
  }
}

export const models = new Models();
