// The bundlers and servers that pages come from. Each host gets a fresh app with the package installed in it, and serves it
// at a URL until `end` is called.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, resolve } from 'node:path'

const HERE = import.meta.dirname
const PAGE = join(HERE, 'page')
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm', '.css': 'text/css' }

/**
 * @typedef {{ url: string, end: () => unknown }} Served
 * @typedef {{
 *   name: string
 *   install?: import('./support.js').Install
 *   inside?: boolean whether the copy of the WebAssembly that is inside the package serves, and not the file beside it
 *   serve: (dir: string) => Promise<Served>
 * }} Host
 */

/** @type {Host[]} */
export const hosts = [
  ...['vite5', 'vite6', 'vite7', 'vite8'].flatMap((vite) => ['packed', 'linked', 'workspace'].flatMap((install) => viteHosts(vite, install))),
  { name: 'webpack 5', serve: (dir) => webpacked(dir, 'production') },
  { name: 'webpack 5, development', serve: (dir) => webpacked(dir, 'development') },
  { name: 'Next.js 16', serve: next },
  { name: 'esbuild', inside: true, serve: esbuilt },
  { name: 'Rollup', inside: true, serve: rolled },
  { name: 'no bundler', serve: plain },
  { name: 'Content-Security-Policy', serve: (dir) => restricted(dir, true) },
  { name: 'Content-Security-Policy, no file', inside: true, serve: (dir) => restricted(dir, false) },
]

/** @param {string} dir @param {Record<string, string>} [headers] @returns {Promise<Served>} */
export async function serveFiles(dir, headers = {}) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const file = resolve(dir, `.${pathname === '/' ? '/index.html' : pathname}`)
    try {
      const body = await readFile(file)
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream', ...headers }).end(body)
    } catch {
      response.writeHead(404).end()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${server.address().port}/`, end: () => server.closeAllConnections() ?? server.close() }
}

/** @param {string} dir */
async function html(dir) {
  await mkdir(join(dir, 'dist'), { recursive: true })
  await copyFile(join(PAGE, 'index.html'), join(dir, 'dist/index.html'))
}

/** @param {string} vite @param {import('./support.js').Install} install @returns {Host[]} */
function viteHosts(vite, install) {
  const title = (mode) => [vite.replace('vite', 'Vite '), mode, ...(install === 'packed' ? [] : [install])].join(', ')
  const options = (dir) => ({ root: dir, configFile: false, logLevel: 'error', clearScreen: false })
  return [
    {
      name: title('dev'),
      install,
      // Where the package is pre-bundled: the file is left behind, but by Vite 8 within the app's own folder.
      inside: install === 'linked' || (install === 'packed' && vite !== 'vite8'),
      async serve(dir) {
        await cp(PAGE, dir, { recursive: true })
        // The hook, so that React and the package are pre-bundled as in an app.
        await writeFile(join(dir, 'main.js'), await readFile(join(PAGE, 'react.js')))
        const { createServer } = await import(vite)
        const server = await createServer({ ...options(dir), server: { host: '127.0.0.1', port: 0, hmr: false } })
        await server.listen()
        return { url: server.resolvedUrls.local[0], end: () => server.close() }
      },
    },
    {
      name: title('build'),
      install,
      async serve(dir) {
        await cp(PAGE, dir, { recursive: true })
        const { build, preview } = await import(vite)
        await build({ ...options(dir), build: { target: 'es2022' } })
        const server = await preview({ ...options(dir), preview: { host: '127.0.0.1', port: 0 } })
        return { url: `http://127.0.0.1:${server.httpServer.address().port}/`, end: () => server.httpServer.close() }
      },
    },
  ]
}

/** @param {string} dir @param {'production' | 'development'} mode */
async function webpacked(dir, mode) {
  await cp(PAGE, dir, { recursive: true })
  await html(dir)
  const { default: webpack } = await import('webpack')
  await new Promise((done, failed) =>
    webpack({ mode, context: dir, entry: './main.js', output: { path: join(dir, 'dist'), filename: 'main.js' } }, (error, stats) => {
      if (error || stats?.hasErrors()) failed(error ?? new Error(stats?.toString()))
      else done(undefined)
    }),
  )
  return serveFiles(join(dir, 'dist'))
}

/** @param {string} dir */
async function esbuilt(dir) {
  await cp(PAGE, dir, { recursive: true })
  await html(dir)
  const { build } = await import('esbuild')
  await build({ entryPoints: [join(dir, 'main.js')], outdir: join(dir, 'dist'), bundle: true, format: 'esm', splitting: true, logLevel: 'error' })
  return serveFiles(join(dir, 'dist'))
}

/** A page with all of `chopped-chat/inbox` in its hands. @param {string} dir @returns {Promise<Served>} */
export async function inboxPage(dir) {
  await html(dir)
  await copyFile(join(PAGE, 'inbox.js'), join(dir, 'page.js'))
  const { build } = await import('esbuild')
  await build({ entryPoints: { main: join(dir, 'page.js') }, outdir: join(dir, 'dist'), bundle: true, format: 'esm', target: 'es2022', logLevel: 'error' })
  await copyFile(join(dir, 'node_modules/chopped-chat/inbox/core_bg.wasm'), join(dir, 'dist/core_bg.wasm'))
  return serveFiles(join(dir, 'dist'))
}

/** @param {string} dir */
async function rolled(dir) {
  await cp(PAGE, dir, { recursive: true })
  await html(dir)
  const { rollup } = await import('rollup')
  const { nodeResolve } = await import('@rollup/plugin-node-resolve')
  const bundle = await rollup({ input: join(dir, 'main.js'), plugins: [nodeResolve({ browser: true })] })
  await bundle.write({ dir: join(dir, 'dist'), format: 'es' })
  await bundle.close()
  return serveFiles(join(dir, 'dist'))
}

/** @param {string} dir */
async function plain(dir) {
  await cp(PAGE, dir, { recursive: true })
  const map = '<script type="importmap">{"imports":{"chopped-chat":"./node_modules/chopped-chat/index.js"}}</script>'
  const page = await readFile(join(PAGE, 'index.html'), 'utf8')
  await writeFile(join(dir, 'index.html'), page.replace('<script', `${map}\n    <script`))
  return serveFiles(dir)
}

/** As strict as a policy can be. @param {string} dir @param {boolean} file whether the WebAssembly is beside the script */
async function restricted(dir, file) {
  await esbuilt(dir).then(({ end }) => end())
  if (file) await copyFile(join(dir, 'node_modules/chopped-chat/core_bg.wasm'), join(dir, 'dist/core_bg.wasm'))
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' http: ws:"
  return serveFiles(join(dir, 'dist'), { 'content-security-policy': policy })
}

/** Turbopack, with a page that is rendered on the server too. @param {string} dir */
async function next(dir) {
  const client = (await readFile(join(PAGE, 'react.js'), 'utf8'))
    .replace(/import \{ createRoot .*\n/, '')
    .replace(/const root = [\s\S]*$/, '')
    .replace('const { token, ...options } = window.chat', 'const { token, ...options } = globalThis.chat ?? { supabaseUrl: "" }')
    .replace('document.title = chat.status', 'if (globalThis.document) document.title = chat.status')
  await mkdir(join(dir, 'app'), { recursive: true })
  await writeFile(join(dir, 'app/chat.js'), `'use client'\n${client.replace('function Chat', 'export default function Chat')}`)
  await writeFile(join(dir, 'app/page.js'), "import Chat from './chat.js'\nexport default function Page() { return <Chat /> }\n")
  await writeFile(join(dir, 'app/layout.js'), 'export default function Layout({ children }) { return <html><body>{children}</body></html> }\n')
  const served = await nextServed(dir)
  const rendered = await (await fetch(served.url)).text()
  if (!rendered.includes('<p>connecting</p>')) throw new Error(`The server did not render the hook:\n${rendered}`)
  return served
}

/** Builds and starts the Next.js app in `dir`. @param {string} dir @param {NodeJS.ProcessEnv} [settings] @returns {Promise<Served>} */
export async function nextServed(dir, settings) {
  await writeFile(join(dir, 'next.config.mjs'), `export default { turbopack: { root: ${JSON.stringify(HERE)} }, outputFileTracingRoot: ${JSON.stringify(HERE)} }\n`)
  const script = join(HERE, 'node_modules/next/dist/bin/next')
  const env = { ...process.env, ...settings, NEXT_TELEMETRY_DISABLED: '1', NODE_ENV: 'production' }
  await run(process.execPath, [script, 'build'], { cwd: dir, env })
  const server = spawn(process.execPath, [script, 'start', '--port', '0', '--hostname', '127.0.0.1'], { cwd: dir, env, stdio: ['ignore', 'pipe', 'inherit'] })
  let said = ''
  for await (const chunk of server.stdout) {
    said += chunk
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0]
    if (url && /Ready/.test(said)) return { url, end: () => server.kill() }
  }
  throw new Error(`next start ended: ${said}`)
}

/** @param {string} program @param {string[]} args @param {import('node:child_process').SpawnOptions} options */
export async function run(program, args, options) {
  const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  child.stdout.on('data', (chunk) => (said += chunk))
  child.stderr.on('data', (chunk) => (said += chunk))
  const [code] = await once(child, 'close')
  if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}:\n${said.slice(-4000)}`)
  return said
}
