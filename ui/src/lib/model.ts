// What a model and a device are called in the window.
import { plain, t } from '../i18n/i18n.svelte';
import type { DeviceInfo, ModelInfo } from '../ipc';

/** The name; the practice model has one in each language. */
export function modelName(model: ModelInfo): string {
  return model.practice ? t('settings.practice') : model.name;
}

/** `Graphics card (NVIDIA GeForce RTX 4070)`. */
export function deviceName(device: DeviceInfo): string {
  const kind = plain(`device.${device.kind}`);
  return device.name ? `${kind} (${device.name})` : kind;
}
