// Models and hardware of the mock.
import type { FoundModel, Hardware, ModelInfo, ModelState } from '../bindings';
import { failure } from './tree';

const GB = 1e9;

export const FULL: ModelInfo = {
  id: 'llava-1.5-7b-q4',
  name: 'LLaVA-1.5 7B',
  precision: '4-bit',
  bytes: 4.7 * GB,
  memoryBytes: 6.1 * GB,
  context: 4096,
  imageTokens: 576,
  patchGrid: 24,
  practice: false,
};

export const LARGE: ModelInfo = {
  ...FULL,
  id: 'llava-1.5-13b',
  name: 'LLaVA-1.5 13B',
  precision: '16-bit',
  bytes: 26.7 * GB,
  memoryBytes: 29 * GB,
};

export const PRACTICE: ModelInfo = {
  ...FULL,
  id: 'practice',
  name: 'Practice model',
  precision: '16-bit',
  bytes: 11e6,
  memoryBytes: 60e6,
  practice: true,
};

export const HARDWARE: Hardware = {
  processor: 'AMD Ryzen 7 5800U',
  cores: 16,
  memoryBytes: 16.5 * GB,
  freeMemoryBytes: 9.2 * GB,
  freeDiskBytes: 210 * GB,
  devices: [
    { id: 'cpu', kind: 'processor', name: 'AMD Ryzen 7 5800U', problem: null },
    {
      id: 'cuda:0',
      kind: 'graphicsCard',
      name: 'NVIDIA GeForce GTX 1650',
      problem: 'the driver is older than 535',
    },
  ],
};

export function found(model: ModelInfo, inUse: boolean): FoundModel {
  const free = HARDWARE.freeMemoryBytes;
  const total = HARDWARE.memoryBytes;
  const verdict =
    model.memoryBytes > total ? 'tooLarge' : model.memoryBytes > free ? 'tight' : 'fits';
  return {
    model,
    location: `/home/mei/models/${model.id}`,
    fit: { verdict, neededBytes: model.memoryBytes, freeBytes: free, totalBytes: total },
    problems: [],
    inUse,
  };
}

export function stateFrom(name: string | null): ModelState {
  switch (name) {
    case 'none':
      return { type: 'none' };
    case 'loading':
      return { type: 'loading', model: FULL, done: 0, total: FULL.bytes, etaSeconds: 9 };
    case 'failed':
      return {
        type: 'failed',
        model: FULL,
        error: failure('not_enough_memory', 'out of memory', '6.1 GB needed, 3.2 GB free'),
      };
    default:
      return {
        type: 'ready',
        model: name === 'practice' ? PRACTICE : FULL,
        device: { id: 'cpu', kind: 'processor', name: HARDWARE.processor, problem: null },
      };
  }
}
