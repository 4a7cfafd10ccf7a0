// `npx chopped-chat init`, as it is installed, in projects of every shape.
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { nextServed, run } from './hosts.js'
import { packed } from './support.js'

const HERE = import.meta.dirname
const SQL = join(HERE, '../../sql')
const OURS = readdirSync(SQL).filter((name) => /^\d/.test(name)).sort()
const title = (/** @type {string} */ name) => name.replace(/^\d+_/, '')

/** @type {string} */
let cli
/** @type {string[]} */
const projects = []
before(async () => {
  cli = join(await (await packed())('init'), 'node_modules/.bin/chopped-chat')
})
after(() => projects.forEach((dir) => rmSync(dir, { recursive: true })))

/** @param {Record<string, string>} [files] */
function project(files = { 'package.json': '{"dependencies":{"next":"16"}}' }) {
  const dir = mkdtempSync(join(tmpdir(), 'chopped-chat-init-'))
  projects.push(dir)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(dir, path, '..'), { recursive: true })
    writeFileSync(join(dir, path), text)
  }
  return dir
}

/** @param {string} dir @param {...string} args */
function init(dir, ...args) {
  const { status, stdout, stderr } = spawnSync(cli, ['init', ...args], { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  return { status, stdout, stderr }
}

/** @param {string} dir @returns {string[]} every file */
const files = (dir) =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((path) => statSync(join(dir, path)).isFile()).sort()
const migrations = (/** @type {string} */ dir) => files(join(dir, 'supabase/migrations'))
const lines = (/** @type {string} */ stdout, /** @type {string} */ word) => stdout.split('\n').filter((line) => line.startsWith(`${word} `))

test('a fresh Next.js project gets the migrations in their order and the endpoints', () => {
  const dir = project()
  const before = Date.now()
  const { status, stdout } = init(dir)
  assert.equal(status, 0)
  const there = migrations(dir)
  assert.deepEqual(there.map(title), OURS.map(title))
  for (const [index, name] of there.entries()) {
    assert.match(name, /^\d{14}_/)
    assert.equal(readFileSync(join(dir, 'supabase/migrations', name), 'utf8'), readFileSync(join(SQL, OURS[index]), 'utf8'))
  }
  const stamps = there.map((name) => name.slice(0, 14))
  assert.deepEqual(stamps, [...new Set(stamps)].sort())
  assert.ok(stamps[0] >= new Date(before - 1000).toISOString().replace(/\D/g, '').slice(0, 14))
  for (const path of ['app/api/chat/token/route.ts', 'app/api/chat/threads/ensure/route.ts']) assert.ok(files(dir).includes(path), path)
  assert.equal(lines(stdout, 'created').length, files(dir).length - 1)
  for (const said of ['SUPABASE_SERVICE_ROLE_KEY', 'ALLOWED_ORIGINS', '@supabase/ssr', 'doctor.sql', 'private channels']) assert.ok(stdout.includes(said), said)
  const doctor = /\S+doctor\.sql/.exec(stdout)?.[0] ?? ''
  assert.equal(readFileSync(doctor, 'utf8'), readFileSync(join(SQL, 'doctor.sql'), 'utf8'))
})

test('the endpoints compile where they are', async () => {
  const dir = join(HERE, 'apps/init-types')
  mkdirSync(dir, { recursive: true })
  assert.equal(init(dir, '--dir', dir).status, 0, 'no Next.js yet')
  writeFileSync(join(dir, 'package.json'), '{"private":true,"type":"module","dependencies":{"next":"16"}}')
  assert.equal(init(dir).status, 0)
  const compilerOptions = {
    strict: true, noEmit: true, noUncheckedIndexedAccess: true, skipLibCheck: true, isolatedModules: true,
    target: 'es2023', lib: ['es2024', 'dom', 'dom.iterable'], module: 'esnext', moduleResolution: 'bundler', types: ['node'],
  }
  writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['app'] }))
  await run(process.execPath, [join(HERE, 'node_modules/typescript/bin/tsc'), '-p', dir], { cwd: dir })
})

test('a fresh Next.js app builds with the endpoints, by settings that Next.js makes, and they answer', async () => {
  const dir = join(HERE, 'apps/init-next')
  mkdirSync(join(dir, 'app'), { recursive: true })
  writeFileSync(join(dir, 'package.json'), '{"private":true,"type":"module"}')
  writeFileSync(join(dir, 'app/layout.jsx'), 'export default function Layout({ children }) { return <html><body>{children}</body></html> }\n')
  // supabase-js asks for a WebSocket, which Node.js has from 22 on, and opens none.
  writeFileSync(join(dir, 'instrumentation.js'), 'export function register() { globalThis.WebSocket ??= class {} }\n')
  assert.equal(init(dir).status, 0)
  const { url, end } = await nextServed(dir, {
    NEXT_PUBLIC_SUPABASE_URL: 'http://127.0.0.1:9',
    NEXT_PUBLIC_SUPABASE_ANON_KEY: 'anon',
    SUPABASE_SERVICE_ROLE_KEY: 'service',
    ALLOWED_ORIGINS: 'https://app.example.com',
  })
  try {
    const ask = async (/** @type {string} */ path, /** @type {string} */ origin, method = 'GET') => {
      const response = await fetch(url + path, { method, headers: { origin } })
      return [response.status, (await response.json()).code, response.headers.get('access-control-allow-origin')]
    }
    const ours = 'https://app.example.com'
    assert.deepEqual(await ask('/api/chat/token', ours), [401, 'signed-out', ours])
    assert.deepEqual(await ask('/api/chat/threads/ensure', ours, 'POST'), [401, 'signed-out', ours])
    assert.deepEqual(await ask('/api/chat/token', 'https://evil.example.com'), [403, 'forbidden-origin', null])
    assert.equal((await fetch(`${url}/api/chat/_lib/caller`)).status, 404)
  } finally {
    await end()
  }
})

test('a second run does nothing', () => {
  const dir = project()
  init(dir)
  const there = files(dir)
  const { status, stdout } = init(dir)
  assert.equal(status, 0)
  assert.deepEqual(files(dir), there)
  assert.equal(lines(stdout, 'same').length, there.length - 1)
  assert.doesNotMatch(stdout, /created|Next:/)
  // Git on Windows changes the ends of lines.
  const route = join(dir, 'app/api/chat/token/route.ts')
  writeFileSync(route, readFileSync(route, 'utf8').replaceAll('\n', '\r\n'))
  assert.equal(lines(init(dir).stdout, 'same').length, there.length - 1)
})

test('an endpoint that differs is kept, and overwritten by --force', () => {
  const dir = project()
  init(dir)
  const route = join(dir, 'app/api/chat/token/route.ts')
  const ours = readFileSync(route, 'utf8')
  writeFileSync(route, '// mine\n')
  const kept = init(dir)
  assert.equal(kept.status, 1)
  assert.deepEqual(lines(kept.stdout, 'differs'), ['differs   app/api/chat/token/route.ts (kept)'])
  assert.match(kept.stdout, /1 of the files differ.*--force/)
  assert.equal(readFileSync(route, 'utf8'), '// mine\n')

  const forced = init(dir, '--force')
  assert.equal(forced.status, 0)
  assert.deepEqual(lines(forced.stdout, 'replaced'), ['replaced  app/api/chat/token/route.ts'])
  assert.equal(readFileSync(route, 'utf8'), ours)
})

test('people.ts is the project\'s own once it is there', () => {
  const dir = project()
  init(dir)
  const people = join(dir, 'app/api/chat/_lib/people.ts')
  writeFileSync(people, '// mine\n')
  const { status, stdout } = init(dir, '--force')
  assert.equal(status, 0)
  assert.deepEqual(lines(stdout, 'yours'), ['yours     app/api/chat/_lib/people.ts'])
  assert.equal(readFileSync(people, 'utf8'), '// mine\n')
})

test('migrations come behind those that are there, and are known again by content or name', () => {
  const first = readFileSync(join(SQL, OURS[0]), 'utf8')
  const dir = project({
    'supabase/migrations/20991231235958_users.sql': 'select 1;\n',
    'supabase/migrations/20200101000000_renamed.sql': first,
  })
  const { status, stdout } = init(dir)
  assert.equal(status, 0)
  assert.deepEqual(lines(stdout, 'same'), ['same      supabase/migrations/20200101000000_renamed.sql'])
  const made = migrations(dir).slice(2)
  assert.equal(made.length, OURS.length - 1)
  assert.ok(made.every((name) => name > '20991231235958'), made.join())
  assert.match(stdout, /This is no Next\.js app/)
  assert.deepEqual(files(dir).filter((path) => !path.startsWith('supabase/')), [])
})

test('a migration that differs may be applied: it is never changed, --force adds the new one behind it', () => {
  const dir = project({ [`supabase/migrations/20200101000000_${title(OURS[3])}`]: '-- of an earlier version\n' })
  const kept = init(dir)
  assert.equal(kept.status, 1)
  assert.equal(migrations(dir).length, OURS.length)
  assert.equal(init(dir, '--force').status, 0)
  const all = migrations(dir)
  assert.equal(all.length, OURS.length + 1)
  assert.equal(readFileSync(join(dir, 'supabase/migrations', all[0]), 'utf8'), '-- of an earlier version\n')
  assert.equal(title(all.at(-1) ?? ''), title(OURS[3]))
  assert.equal(init(dir).status, 0, 'the newer one is known again')
})

test('--dry-run writes nothing', () => {
  const dir = project()
  const { status, stdout } = init(dir, '--dry-run')
  assert.equal(status, 0)
  assert.deepEqual(files(dir), ['package.json'])
  assert.equal(lines(stdout, 'create').length, OURS.length + 9)
  assert.match(stdout, /Nothing was written/)
  init(dir)
  writeFileSync(join(dir, 'app/api/chat/token/route.ts'), '// mine\n')
  assert.equal(init(dir, '--dry-run').status, 1)
  assert.deepEqual(lines(init(dir, '--dry-run', '--force').stdout, 'replace'), ['replace   app/api/chat/token/route.ts'])
  assert.equal(readFileSync(join(dir, 'app/api/chat/token/route.ts'), 'utf8'), '// mine\n')
})

test('src/app, and beside src/pages', () => {
  for (const files of [{ 'src/app/page.tsx': '' }, { 'src/pages/index.tsx': '', 'package.json': '{"dependencies":{"next":"16"}}' }]) {
    const dir = project(files)
    assert.equal(init(dir).status, 0)
    assert.ok(statSync(join(dir, 'src/app/api/chat/token/route.ts')).isFile())
    assert.equal(statSync(join(dir, 'app'), { throwIfNoEntry: false }), undefined)
  }
})

test('at a terminal it asks', { skip: process.platform !== 'linux' && 'script(1) of util-linux makes the terminal' }, async () => {
  const dir = project()
  init(dir)
  const route = join(dir, 'app/api/chat/token/route.ts')
  const ours = readFileSync(route, 'utf8')
  for (const [answer, status, text] of /** @type {const} */ ([['n', 1, '// mine\n'], ['', 1, '// mine\n'], ['\x04', 1, '// mine\n'], ['y', 0, ours]])) {
    writeFileSync(route, '// mine\n')
    const terminal = spawn('script', ['-qec', `${cli} init`, '/dev/null'], { cwd: dir, stdio: ['pipe', 'pipe', 'inherit'] })
    let said = ''
    let answered = false
    terminal.stdout.on('data', (chunk) => {
      said += chunk
      if (answered || !said.includes('[y/N]')) return
      answered = true
      terminal.stdin.write(answer === '\x04' ? answer : `${answer}\n`)
    })
    const [code] = await once(terminal, 'close')
    assert.match(said, /token\/route\.ts differs\. Overwrite it\? \[y\/N\]/)
    assert.deepEqual([code, readFileSync(route, 'utf8')], [status, text], said)
  }
})

test('--help, and wrong usage', () => {
  const dir = project()
  const help = init(dir, '--help')
  assert.equal(help.status, 0)
  assert.match(help.stdout, /^Usage: npx chopped-chat init/)
  for (const [args, said] of /** @type {const} */ ([
    [['--frce'], /--frce/],
    [['tables'], /There is no "init tables", only init/],
    [['--dir', join(dir, 'nowhere')], /There is no folder .*nowhere/],
  ])) {
    const { status, stdout, stderr } = init(dir, ...args)
    assert.equal(status, 2)
    assert.equal(stdout, '')
    assert.match(stderr, said)
    assert.match(stderr, /Usage:/)
  }
  assert.deepEqual(files(dir), ['package.json'])
  writeFileSync(join(dir, 'supabase'), 'a file in the way')
  const stopped = init(dir)
  assert.equal(stopped.status, 1)
  assert.match(stopped.stderr, /^Stopped: .*supabase/)
})
