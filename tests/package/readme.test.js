// The READMEs, followed word by word: what stands in their fences is run and built as it is, in a fresh Vite app and a fresh
// Next.js app, on a fresh database, until a message arrives.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { nextServed, run, serveFiles } from './hosts.js'
import { APPS, launch, packed, project, thread } from './support.js'

const ROOT = resolve(import.meta.dirname, '../..')

/** The fences below a heading of a README. @param {string} readme @param {string} heading @param {string} language */
async function fences(readme, heading, language) {
  const [, section] = (await readFile(join(ROOT, readme), 'utf8')).split(`\n## ${heading}\n`)
  assert.ok(section, `${readme} has no "${heading}"`)
  return [...section.split('\n## ')[0].matchAll(/^```(\w+)\n([\s\S]*?)^```/gm)].filter(([, name]) => name === language).map(([, , text]) => text)
}

/** Runs the commands of "Install" in `dir`. Only the name is another one: the package is not on a registry yet. @param {string} dir */
async function install(dir) {
  const [commands] = await fences('pkg-template/README.md', 'Install', 'sh')
  assert.match(commands, /^npm install chopped-chat$/m)
  const script = commands.replace(/^npm install chopped-chat$/m, `npm install ${join(APPS, 'chopped-chat-0.1.0.tgz')}`)
  // React is there already, above the app; nothing is fetched.
  const env = { ...process.env, npm_config_offline: 'true', npm_config_legacy_peer_deps: 'true' }
  return run('sh', ['-ec', script], { cwd: dir, env })
}

/** The stand-in with a fresh database, and the migrations of a folder applied. @param {string} migrations */
async function supabase(migrations) {
  const program = join(process.env.CARGO_TARGET_DIR ?? join(ROOT, 'target'), 'debug/supabase-local')
  const server = spawn(program, ['--migrations', migrations], { cwd: ROOT, stdio: ['pipe', 'pipe', 'ignore'] })
  const [line] = await Promise.race([
    once(createInterface(server.stdout), 'line'),
    once(server, 'close').then(([code]) => Promise.reject(new Error(`supabase-local ended with ${code}`))),
  ])
  return { ...JSON.parse(line), end: () => (server.stdin.end(), once(server, 'close')) }
}

/** @type {import('playwright-core').Browser} */
let browser
before(async () => {
  ;[browser] = await Promise.all([launch(), packed()])
})
after(() => browser?.close())

test('a fresh Vite app and a fresh Next.js backend, by the READMEs: a message goes there and one comes back', async (t) => {
  // 1. Package, in both.
  const backend = join(APPS, 'readme-backend')
  // Next.js, as React and Vite, is above; declared, it would be fetched.
  await project(backend, {})
  await mkdir(join(backend, 'app'))
  await writeFile(join(backend, 'app/layout.tsx'), 'export default function Layout({ children }: { children: React.ReactNode }) { return <html><body>{children}</body></html> }\n')
  const said = await install(backend)
  const app = join(APPS, 'readme-app')
  await project(app, {})
  await install(app)

  // 2. Database.
  const { url, anonKey, serviceRoleKey, end } = await supabase(join(backend, 'supabase/migrations'))
  t.after(end)
  Object.assign(process.env, { SUPABASE_URL: url, SUPABASE_ANON_KEY: anonKey, SUPABASE_SERVICE_ROLE_KEY: serviceRoleKey })

  // 3. Backend, with the variables that `init` names.
  const pages = await serveFiles(join(app, 'dist'))
  t.after(pages.end)
  const variables = {
    NEXT_PUBLIC_SUPABASE_URL: url,
    NEXT_PUBLIC_SUPABASE_ANON_KEY: anonKey,
    SUPABASE_SERVICE_ROLE_KEY: serviceRoleKey,
    ALLOWED_ORIGINS: new URL(pages.url).origin,
  }
  for (const name of Object.keys(variables)) assert.ok(said.includes(name), `init names ${name}`)
  if (Number(process.versions.node.split('.')[0]) < 22) {
    await writeFile(join(backend, 'instrumentation.js'), 'export function register() { globalThis.WebSocket ??= class {} }\n')
  }
  const api = await nextServed(backend, variables)
  t.after(api.end)

  // 4. App: the component, the Vite configuration, and what `npm create vite` makes around them.
  const [component] = await fences('README.md', 'Use it in your app', 'tsx')
  const [configuration] = await fences('pkg-template/README.md', 'Vite', 'ts')
  const files = {
    'vite.config.ts': configuration,
    'src/ChatModal.tsx': `${component.replaceAll('https://api.example.com', new URL(api.url).origin)}export { ChatModal }\n`,
    'src/main.tsx': `import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { ChatModal } from './ChatModal.tsx'
createRoot(document.getElementById('root')!).render(
  <StrictMode><ChatModal selectedUserId={new URLSearchParams(location.search).get('with')!} /></StrictMode>,
)
`,
    'index.html': '<!doctype html><html><body><div id="root"></div><script type="module" src="/src/main.tsx"></script></body></html>\n',
    '.env': `NEXT_PUBLIC_SUPABASE_URL=${url}\nNEXT_PUBLIC_SUPABASE_ANON_KEY=${anonKey}\n`,
  }
  await mkdir(join(app, 'src'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(app, name), text)
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/SUPABASE/.test(name)))
  await run(process.execPath, [join(import.meta.dirname, 'node_modules/vite8/bin/vite.js'), 'build'], { cwd: app, env })

  // Signed in as @supabase/ssr does it: the session in cookies of the backend.
  const { options, me, other } = await thread()
  const session = `base64-${Buffer.from(JSON.stringify(me.session)).toString('base64url')}`
  const parts = session.match(/.{1,3180}/g) ?? []
  const context = await browser.newContext()
  t.after(() => context.close())
  await context.addCookies(
    parts.map((value, n) => ({ name: `sb-127-auth-token${parts.length > 1 ? `.${n}` : ''}`, value, domain: '127.0.0.1', path: '/' })),
  )
  const page = await context.newPage()
  /** @type {string[]} */
  const errors = []
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('console', (message) => message.type() === 'error' && errors.push(`${message.text()} ${message.location().url}`))
  await page.addInitScript((id) => localStorage.setItem('chopped.mongoUserId', id), options.myMongoId)
  await page.goto(`${pages.url}?with=${options.otherMongoId}`)
  const told = () => `${errors.join('\n')}`
  await page.getByRole('button', { name: 'Send' }).click()
  await page.locator('p.me', { hasText: 'hello sent' }).waitFor({ timeout: 15_000 }).catch((error) => assert.fail(`${error.message}\n${told()}`))
  await other.says('and to you')
  await page.locator('p.them', { hasText: 'and to you sent' }).waitFor({ timeout: 15_000 })
  assert.deepEqual(errors.filter((line) => !line.includes('favicon')), [])
})
