// The plugin `chopped-chat/vite` in real Vites: what it shows to a page, what it refuses, and the preload.
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, before, test } from 'node:test'
import { serveFiles } from './hosts.js'
import { launch, packed } from './support.js'

const URL = 'NEXT_PUBLIC_SUPABASE_URL'
const KEY = 'NEXT_PUBLIC_SUPABASE_ANON_KEY'
const jwt = (/** @type {object} */ claims) =>
  [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') + '.c2lnbmF0dXJl'
const ANON = jwt({ iss: 'supabase', role: 'anon' })
const SERVICE_ROLE = jwt({ iss: 'supabase', role: 'service_role' })

/** @type {Awaited<ReturnType<typeof packed>>} */
let app
before(async () => {
  app = await packed()
})

const mine = [URL, KEY, 'PROJECT_REF', `${URL}_INTERNAL`]
const clear = () => mine.forEach((name) => delete process.env[name])
before(clear)
afterEach(clear)

/**
 * A fresh app whose page puts its environment onto globalThis.
 * @param {string} name @param {Record<string, string>} files @param {string} [options] of the plugin
 */
async function page(name, files, options = '') {
  const dir = await app(name)
  const all = {
    'index.html': '<!doctype html><script type="module" src="/main.js"></script>',
    'main.js': `globalThis.seen = [import.meta.env.${URL}, import.meta.env.${KEY}]; globalThis.all = import.meta.env`,
    'vite.config.js': `import { choppedChat } from 'chopped-chat/vite'\nexport default { plugins: [choppedChat(${options})] }\n`,
    ...files,
  }
  for (const [file, text] of Object.entries(all)) await writeFile(join(dir, file), text)
  return dir
}

/** @param {string} dir @param {object} [more] */
function settings(dir, more) {
  /** @type {string[]} */
  const warned = []
  const say = (/** @type {string} */ text) => warned.push(text)
  const logger = { info() {}, warn: say, warnOnce: say, error() {}, clearScreen() {}, hasErrorLogged: () => false, hasWarned: false }
  return { warned, config: { root: dir, configFile: join(dir, 'vite.config.js'), logLevel: 'warn', customLogger: logger, ...more } }
}

/** @param {{ build: Function }} vite @param {string} dir @param {object} [more] */
async function built(vite, dir, more) {
  const { warned, config } = settings(dir, { build: { write: false, target: 'es2022', modulePreload: { polyfill: false } }, ...more })
  const { output } = await vite.build(config)
  return { warned, output, text: output.map((file) => String(file.code ?? file.source)).join('\n') }
}

/** What the built page saw. @param {{ fileName: string, code?: string }[]} output */
async function seen(output) {
  const [entry] = output.filter((file) => file.code)
  await import(`data:text/javascript,${encodeURIComponent(`${entry.code}\n// ${Math.random()}`)}`)
  return { seen: globalThis.seen, all: globalThis.all }
}

const files = {
  '.env': `PROJECT_REF=from-env-file\n${URL}="https://\${PROJECT_REF}.supabase.co"\n${KEY}=overwritten-canary\n` +
    `${URL}_INTERNAL=internal-canary\nSUPABASE_SERVICE_ROLE_KEY=${SERVICE_ROLE}\nDATABASE_URL=postgres://canary\nNEXT_PUBLIC_OTHER=other-canary\n`,
  '.env.production': `${KEY}=${ANON}\n`,
  '.env.development': `${KEY}=sb_publishable_of_development\n`,
}

for (const major of ['vite5', 'vite6', 'vite7', 'vite8']) {
  const name = major.replace('vite', 'Vite ')

  test(`${name}: a build knows the two variables and no other`, async () => {
    const vite = await import(major)
    const dir = await page(`${major}-define`, files)
    const fromFiles = await built(vite, dir)
    assert.deepEqual(fromFiles.warned, [])
    const { seen: values, all } = await seen(fromFiles.output)
    assert.deepEqual(values, ['https://from-env-file.supabase.co', ANON])
    assert.deepEqual(Object.keys(all).sort(), ['BASE_URL', 'DEV', 'MODE', KEY, URL, 'PROD', 'SSR'].sort())
    for (const secret of ['canary', SERVICE_ROLE]) assert.ok(!fromFiles.text.includes(secret), secret)

    process.env[URL] = 'https://from-shell.supabase.co'
    const fromShell = await seen((await built(vite, dir)).output)
    assert.deepEqual(fromShell.seen, ['https://from-shell.supabase.co', ANON])
  })

  test(`${name}: so does the dev server`, async () => {
    const { createServer } = await import(major)
    const dir = await page(`${major}-dev`, files)
    const { config } = settings(dir, { server: { middlewareMode: true, ws: false, hmr: false, watch: null }, optimizeDeps: { noDiscovery: true } })
    const server = await createServer(config)
    try {
      const { code } = await server.transformRequest('/main.js')
      assert.match(code, /https:\/\/from-env-file\.supabase\.co/)
      assert.match(code, /sb_publishable_of_development/)
      for (const secret of ['canary', SERVICE_ROLE]) assert.ok(!code.includes(secret), secret)
    } finally {
      await server.close()
    }
  })

  test(`${name}: a secret stops the build and the dev server`, async () => {
    const vite = await import(major)
    const dir = await page(`${major}-secret`, { '.env': `${URL}=https://ref.supabase.co\n` })
    for (const secret of [SERVICE_ROLE, 'sb_secret_0123456789']) {
      process.env[KEY] = secret
      const explained = { message: new RegExp(`${KEY} holds .*(service role key|sb_secret_).*publishable`) }
      await assert.rejects(built(vite, dir), explained)
      await assert.rejects(vite.createServer(settings(dir).config), explained)
    }
    process.env[KEY] = ANON
    await built(vite, dir)
    // What Vite shows without the plugin's help is looked at too.
    await writeFile(join(dir, '.env'), `VITE_KEY=${SERVICE_ROLE}\n${URL}=https://ref.supabase.co\n`)
    await assert.rejects(built(vite, dir), /VITE_KEY holds the service role key/)
  })

  test(`${name}: what is not set is warned of by name, what the project defines stays`, async () => {
    const vite = await import(major)
    const dir = await page(`${major}-missing`, { '.env': `${URL}=https://ref.supabase.co\n` })
    const without = await built(vite, dir)
    assert.equal(without.warned.length, 1)
    assert.match(without.warned[0], new RegExp(`chopped-chat: ${KEY} is not set.*\\.env\\.local`))
    assert.deepEqual((await seen(without.output)).seen, ['https://ref.supabase.co', undefined])

    const own = await built(vite, dir, { define: { [`import.meta.env.${KEY}`]: '"own"' } })
    assert.deepEqual(own.warned, [])
    assert.deepEqual((await seen(own.output)).seen, ['https://ref.supabase.co', 'own'])
  })

  test(`${name}: a preload of the wasm and a connection where they are wanted`, async () => {
    const vite = await import(major)
    process.env[URL] = 'https://ref.supabase.co/'
    process.env[KEY] = 'set'
    const link = (/** @type {any[]} */ output) => {
      const html = output.find((file) => file.fileName === 'index.html').source
      const wasm = output.find((file) => file.fileName.endsWith('.wasm')).fileName
      const tag = /<link rel="preload"[^>]*>/.exec(html)?.[0]
      const connects = /<link rel="preconnect"[^>]*>/.exec(html)?.[0]
      return tag && { connects, tag: tag.replace(wasm, 'WASM') }
    }
    const main = { 'main.js': "import init from 'chopped-chat'\nbutton.onclick = () => init()" }
    const attributes = 'as="fetch" type="application/wasm" crossorigin'
    const preloading = await page(`${major}-preload`, main, '{ preload: true }')
    for (const [base, href] of [['/', '/'], ['/app/', '/app/'], ['./', ''], ['https://cdn.test/', 'https://cdn.test/']]) {
      const { output } = await built(vite, preloading, { base })
      assert.deepEqual(link(output), { connects: '<link rel="preconnect" crossorigin href="https://ref.supabase.co">', tag: `<link rel="preload" ${attributes} href="${href}WASM">` })
    }
    const { output } = await built(vite, await page(`${major}-lazy`, main))
    assert.equal(link(output), undefined)
  })
}

// Vite 5 takes no ES module from such a project's configuration, whichever it is, and says so.
test('a project that is no ES module', async () => {
  const dir = await page('commonjs', { '.env': `${URL}=https://ref.supabase.co\n${KEY}=${ANON}\n` })
  await writeFile(join(dir, 'package.json'), '{"private":true}\n')
  for (const major of ['vite6', 'vite7', 'vite8']) {
    const { output } = await built(await import(major), dir)
    assert.deepEqual((await seen(output)).seen, ['https://ref.supabase.co', ANON])
  }
})

test('the preloaded wasm is the one that is used: one request', async () => {
  const dir = await page('preload', { 'main.js': "import init, { threadId } from 'chopped-chat'\nawait init()\ndocument.title = threadId('b', 'a')" }, '{ preload: true }')
  process.env[URL] = process.env[KEY] = 'set'
  const { build } = await import('vite8')
  await build(settings(dir, { build: { target: 'es2022' } }).config)
  const served = await serveFiles(join(dir, 'dist'))
  const browser = await launch()
  try {
    const tab = await browser.newPage()
    /** @type {string[]} */
    const asked = []
    tab.on('request', (request) => asked.push(request.url()))
    await tab.goto(served.url)
    await tab.waitForFunction(() => document.title === 'a__b')
    assert.equal(asked.filter((url) => url.endsWith('.wasm')).length, 1)
    assert.equal(asked.filter((url) => /inline/.test(url)).length, 0)
    const initiators = await tab.evaluate(() => performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.wasm')).map((entry) => entry.initiatorType))
    assert.deepEqual(initiators, ['link'])
  } finally {
    await browser.close()
    await served.end()
  }
})
