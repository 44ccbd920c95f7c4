import { svelte } from '@sveltejs/vite-plugin-svelte';
import { svelteTesting } from '@testing-library/svelte/vite';
import { defineConfig } from 'vitest/config';

// `--mode mock` swaps the real backend for the one in src/ipc/mock: the page then runs in any
// browser. The shipped build contains none of it.
export default defineConfig(({ mode }) => ({
  plugins: [svelte(), ...(mode === 'test' ? [svelteTesting()] : [])],
  define: { __MOCK__: JSON.stringify(mode === 'mock' || mode === 'test') },
  clearScreen: false,
  server: { port: 1420, strictPort: true, host: '127.0.0.1' },
  build: {
    target: ['es2022', 'safari16', 'chrome110'],
    // Everything comes from the program itself; there is nothing to gain from inlining, and the
    // page's security policy allows no data: scripts or fonts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.ts', 'tests/**/*.test.ts'],
    setupFiles: ['tests/setup.ts'],
    css: false,
    // A busy machine is no failure.
    testTimeout: 60_000,
  },
}));
