import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

/** What the page is told of its surroundings; read from the environment of `npm run dev` or `npm run build`. */
const NAMES = ['NEXT_PUBLIC_SUPABASE_URL', 'NEXT_PUBLIC_SUPABASE_ANON_KEY', 'NEXT_PUBLIC_BACKEND_URL']

const here = { host: '127.0.0.1', strictPort: true }

export default defineConfig({
  plugins: [react()],
  define: Object.fromEntries(NAMES.map((name) => [`import.meta.env.${name}`, JSON.stringify(process.env[name] ?? '')])),
  // chopped-chat is linked from ../../pkg: it has no node_modules of its own, and lies outside of what Vite serves.
  resolve: { dedupe: ['react'] },
  server: { ...here, fs: { allow: ['.', '../../pkg'] } },
  preview: here,
  build: { target: 'es2022' },
})
