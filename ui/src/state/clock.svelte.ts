// The time, for what counts down: ticks only while somebody looks.
import { createSubscriber } from 'svelte/reactivity';

const subscribe = createSubscriber((update) => {
  const timer = setInterval(update, 500);
  return () => {
    clearInterval(timer);
  };
});

/** Now, in milliseconds since 1970; what reads it is told twice a second. */
export function now(): number {
  subscribe();
  return Date.now();
}
