// The picture that is being looked at, and what is drawn on it.
import type { AnswerBox, Picture } from '../ipc';

class Pane {
  pictures = $state.raw<Picture[]>([]);
  index = $state(0);
  boxes = $state.raw<AnswerBox[]>([]);
  /** Which box is pointed out; null for all alike. */
  box = $state<number | null>(null);
  /** Whether an area is being marked. */
  marking = $state(false);
  /** Whether the square that the model sees is shown. */
  seen = $state(false);

  readonly picture = $derived<Picture | null>(this.pictures[this.index] ?? null);

  show(pictures: Picture[], index = 0, boxes: AnswerBox[] = [], box: number | null = null): void {
    this.pictures = pictures;
    this.index = index;
    this.boxes = boxes;
    this.box = box;
    this.marking = false;
    this.seen = false;
  }

  step(by: 1 | -1): void {
    const { length } = this.pictures;
    if (length) this.index = (this.index + by + length) % length;
    this.marking = false;
  }

  close(): void {
    this.pictures = [];
    this.boxes = [];
    this.marking = false;
  }
}

export const pane = new Pane();
