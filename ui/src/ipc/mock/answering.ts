// How the mock answers: one question after the other, in the stages and at the pace of a model on
// an ordinary processor, with everything that can go wrong on demand.
import type { AnswerEvent, Message, StageProgress, ThreadSummary } from '../bindings';
import { STATS } from './seed';
import { failure, type Tree } from './tree';

export interface Pace {
  /** 1 is a quick processor; 4 takes four times as long. */
  slow: number;
}

export interface Job {
  thread: number;
  answer: number;
  /** What the answer will be in the end; starts with what is there already. */
  text: string;
  pictures: number;
  /** Fails after the first words. */
  fails: boolean;
  send: (event: AnswerEvent) => void;
}

const TICK = 60;

export class Answering {
  private queue: Job[] = [];
  private running = false;
  private stopped = new Set<number>();
  /** Pictures that were looked at while the question was typed. */
  seenAhead = false;

  constructor(
    private tree: Tree,
    private pace: Pace,
    private changed: (thread: ThreadSummary) => void,
    private ready: () => boolean,
  ) {}

  submit(job: Job): void {
    this.queue.push(job);
    this.busy(job, true);
    if (this.running) job.send({ type: 'queued', ahead: this.queue.length });
    void this.run();
  }

  stop(answer: number): void {
    this.stopped.add(answer);
    const at = this.queue.findIndex((job) => job.answer === answer);
    const [waiting] = at >= 0 ? this.queue.splice(at, 1) : [];
    if (waiting) this.finish(waiting, 'stopped');
  }

  private async run(): Promise<void> {
    if (this.running) return;
    this.running = true;
    for (let job = this.queue.shift(); job; job = this.queue.shift()) {
      this.queue.forEach((other, i) => {
        other.send({ type: 'queued', ahead: i + 1 });
      });
      await this.answer(job);
    }
    this.running = false;
  }

  private async answer(job: Job): Promise<void> {
    while (!this.ready()) {
      if (this.over(job)) return;
      job.send(stage('loading', 1, 2, 8));
      await wait(400);
    }
    if (!(await this.look(job)) || !(await this.read(job))) return;
    await this.write(job);
  }

  private async look(job: Job): Promise<boolean> {
    const seconds = this.seenAhead ? 0 : 2.4 * this.pace.slow;
    this.seenAhead = false;
    for (let picture = 0; picture < job.pictures && seconds; picture++) {
      const steps = Math.ceil((seconds * 1000) / TICK);
      for (let i = 1; i <= steps; i++) {
        if (this.over(job)) return false;
        const left = seconds * (1 - i / steps) + seconds * (job.pictures - 1 - picture) + 1;
        const seeing = {
          picture,
          patchesDone: Math.floor((576 * i) / steps),
          patchesTotal: 576,
        };
        job.send({ type: 'stage', ...progress('seeing', i, steps, left), seeing });
        await wait(TICK);
      }
    }
    return true;
  }

  private async read(job: Job): Promise<boolean> {
    const steps = Math.ceil(8 * this.pace.slow);
    for (let i = 1; i <= steps; i++) {
      if (this.over(job)) return false;
      job.send(stage('reading', i, steps, 0.06 * (steps - i)));
      await wait(TICK);
    }
    return true;
  }

  private async write(job: Job): Promise<void> {
    const message = this.tree.message(job.answer);
    const rest = job.text.slice(message.text.length);
    const pieces = rest.match(/[\u3000-\u9fff]|\s*[^\s\u3000-\u9fff]{1,5}|\s+/g) ?? [];
    for (const [i, text] of pieces.entries()) {
      if (this.over(job)) return;
      message.text += text;
      job.send({ type: 'text', text });
      if (i % 4 === 0) job.send(stage('writing', i, 512, null));
      if (job.fails && i > 14) {
        this.fail(job);
        return;
      }
      await wait(45 * this.pace.slow);
    }
    this.finish(job, 'complete');
  }

  private over(job: Job): boolean {
    if (!this.stopped.has(job.answer)) return false;
    this.finish(job, 'stopped');
    return true;
  }

  private finish(job: Job, status: Message['status']): void {
    this.stopped.delete(job.answer);
    const message = this.tree.message(job.answer);
    message.status = status;
    message.stats = { ...STATS, tokens: Math.ceil(message.text.length / 3.6) };
    this.busy(job, false);
    const path = this.tree.path(job.thread);
    job.send({
      type: 'done',
      answer: structuredClone(message),
      thread: { ...this.tree.branch(job.thread).summary },
      context: this.tree.context(path),
    });
  }

  private fail(job: Job): void {
    const message = this.tree.message(job.answer);
    message.status = 'failed';
    message.error = failure(
      'model_crashed',
      'the model stopped with an internal error and was unloaded',
      'attention: 1 x 32 x 640 x 128 does not match the cache',
    );
    this.busy(job, false);
    job.send({
      type: 'failed',
      answer: structuredClone(message),
      thread: { ...this.tree.branch(job.thread).summary },
    });
  }

  private busy(job: Job, busy: boolean): void {
    const branch = this.tree.threads.get(job.thread);
    if (!branch) return;
    branch.summary.busy = busy;
    this.changed({ ...branch.summary });
  }
}

export function wait(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

function progress(
  name: StageProgress['stage'],
  done: number,
  total: number,
  etaSeconds: number | null,
): StageProgress {
  return { stage: name, done, total, etaSeconds, seeing: null };
}

function stage(
  name: StageProgress['stage'],
  done: number,
  total: number,
  eta: number | null,
): AnswerEvent {
  return { type: 'stage', ...progress(name, done, total, eta) };
}
