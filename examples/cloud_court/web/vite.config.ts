import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const SERVER = process.env.COURT_SERVER ?? 'http://127.0.0.1:8000'

/** Paths are relative and routes stand behind `#`, so that the same files serve a court that is mounted anywhere. */
export default defineConfig({
  base: './',
  plugins: [vue()],
  build: { target: 'es2022', chunkSizeWarningLimit: 1600 },
  server: { proxy: { '/api': { target: SERVER, ws: true }, '/media': { target: SERVER, ws: true } } },
  test: { include: ['tests/**/*.test.ts'], environment: 'node' },
})
