import react from '@vitejs/plugin-react'
import { choppedChat } from 'chopped-chat/vite'
import { defineConfig } from 'vite'

const here = { host: '127.0.0.1', strictPort: true }

export default defineConfig({
  plugins: [react(), choppedChat()],
  define: Object.fromEntries(
    ['NEXT_PUBLIC_BACKEND_URL', 'NEXT_PUBLIC_DEMO_PASSWORD'].map((name) => [`import.meta.env.${name}`, JSON.stringify(process.env[name] ?? '')]),
  ),
  // chopped-chat is linked from ../../pkg: it has no node_modules of its own, and lies outside of what Vite serves.
  resolve: { dedupe: ['react'] },
  server: { ...here, fs: { allow: ['.', '../../pkg'] } },
  preview: here,
  build: { target: 'es2022' },
})
