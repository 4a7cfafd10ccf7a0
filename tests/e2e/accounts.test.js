// The demo on a project that is not ours: the stand-in, taken for a real one. It touches only the accounts that it made.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { APP_URL, Window, database, setting, signOff, signUp } from './helpers.js'

const BACKEND = join(import.meta.dirname, '../../www-example/backend')
const PROJECT = {
  NEXT_PUBLIC_SUPABASE_URL: setting('SUPABASE_URL'),
  NEXT_PUBLIC_SUPABASE_ANON_KEY: setting('SUPABASE_ANON_KEY'),
  SUPABASE_SERVICE_ROLE_KEY: setting('SUPABASE_SERVICE_ROLE_KEY'),
}
const EMAILS = ['ana', 'ben', 'cleo', 'dan'].map((name) => `${name}@example.com`)

/**
 * What a program answers to who is no terminal.
 *
 * @param {string} program @param {string[]} words @param {Record<string, string>} [environment]
 * @returns {Promise<{ code: number | null, out: string, err: string }>}
 */
function run(program, words, environment = {}) {
  const child = spawn(program, words, { cwd: BACKEND, env: { ...process.env, ...PROJECT, ...environment }, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.on('data', (data) => (out += data))
  child.stderr.on('data', (data) => (err += data))
  // supabase-js's own word about old versions of Node.js.
  const ours = () => err.replace(/^.*Node\.js 20 and below are deprecated.*\n/m, '')
  return new Promise((done) => child.on('close', (code) => done({ code, out, err: ours() })))
}

const script = (/** @type {string[]} */ words = [], /** @type {Record<string, string>} */ environment = {}) => run('node', ['scripts/demo-accounts.mjs', ...words], environment)
const demo = (/** @type {string[]} */ ...words) => run(setting('XTASK'), ['demo', '--no-open', ...words])

/** @returns {Promise<{ id: string, email: string, encrypted_password: string, raw_app_meta_data: any }[]>} */
const accounts = async () =>
  (await database.query('select id, email, encrypted_password, raw_app_meta_data from auth.users where email = any ($1) order by email', [EMAILS])).rows

/** The lines `email password`. @param {string} out */
const passwords = (out) => Object.fromEntries(out.trim().split('\n').map((line) => line.split(' ')))

beforeEach(() => script(['--remove']))
// As the other files' tests know them.
after(async () => {
  await script(['--remove'])
  assert.equal((await script([], { DEMO_PASSWORD: 'chopped-demo' })).code, 0)
})

test('the command says the same, and nothing else', async () => {
  const { code, out, err } = await run(setting('XTASK'), ['demo', '--accounts'], { SUPABASE_SERVICE_ROLE_KEY: 'wrong' })
  assert.deepEqual([code, out], [1, ''])
  assert.match(err, /^error: http\S+ refuses SUPABASE_SERVICE_ROLE_KEY: copy the [^\n]*\n$/)
})

test('where nobody can be asked nothing is made, and the answer says how to agree', async () => {
  const { code, err } = await demo()
  assert.notEqual(code, 0)
  assert.match(err, /^error: The demo makes four accounts in http.* Say --accounts to agree\n$/)
  assert.deepEqual(await accounts(), [])
})

test('each account has a random password, a new one the next time, and the mark that only a service role can write', async () => {
  const first = await script()
  assert.deepEqual([first.code, first.err], [0, ''])
  const before = await accounts()
  assert.deepEqual(before.map(({ email }) => email), EMAILS)
  assert.ok(before.every(({ raw_app_meta_data }) => raw_app_meta_data.chopped_chat_demo === true))
  const second = await script()
  assert.deepEqual((await accounts()).map(({ id }) => id), before.map(({ id }) => id), 'the same accounts')
  const all = [first, second].flatMap(({ out }) => Object.values(passwords(out)))
  assert.ok(new Set(all).size === 8 && all.every((password) => password.length >= 16), String(all))

  const window = await Window.empty()
  await window.page.goto(`${APP_URL}/?as=ana#${passwords(second.out)['ana@example.com']}`)
  assert.equal(await window.page.getByTestId('me').innerText(), 'Ana')
  assert.equal(new URL(window.page.url()).hash, '', 'the password is out of the address')
  // Others of the project are nobody to write to.
  assert.deepEqual(await window.page.locator('.board .name').allInnerTexts(), ['Ben', 'Cleo', 'Dan'])
})

for (const [what, email, mongoUserId] of [
  ['address', 'cleo@example.com', 'somebody'],
  ['Mongo id', 'real.cleo@example.com', '665f1c2ab7d4e09a31c0c003'],
]) {
  test(`an account of somebody else with the ${what} of one: nothing is written, before or after it`, async () => {
    // The mark where its owner can write it is none.
    const theirs = { email: String(email), password: 'theirs alone', app_metadata: { mongoUserId }, user_metadata: { chopped_chat_demo: true } }
    const id = await signUp(theirs)
    const row = async () => (await database.query('select email, encrypted_password, raw_app_meta_data from auth.users where id = $1', [id])).rows
    const before = await row()
    try {
      const { code, out, err } = await script()
      assert.deepEqual([code, out], [1, ''])
      assert.equal(err, `${email} is in this project already and was not made by this demo, so it is left alone. Use a project without it.\n`)
      await script(['--remove'])
      assert.equal(before.length, 1)
      assert.deepEqual(await row(), before)
      assert.deepEqual((await accounts()).filter((account) => account.id !== id), [])
    } finally {
      await signOff(id)
    }
  })
}

test('they can be removed', async () => {
  await script()
  const { code, out } = await demo('--remove-accounts')
  assert.equal(code, 0)
  assert.deepEqual(out.trim().split('\n').sort(), EMAILS.map((email) => `${email} deleted`))
  assert.deepEqual(await accounts(), [])
  assert.equal((await demo('--remove-accounts')).out, 'There is no account of the demo in this project.\n')
})

for (const [what, environment, sentence] of /** @type {[string, Record<string, string>, RegExp][]} */ ([
  ['the anon key in place of the service key', { SUPABASE_SERVICE_ROLE_KEY: setting('SUPABASE_ANON_KEY') }, /refuses SUPABASE_SERVICE_ROLE_KEY: copy /],
  ['a service key of another project', { SUPABASE_SERVICE_ROLE_KEY: 'eyJhbGciOiJIUzI1NiJ9.e30.x' }, /refuses SUPABASE_SERVICE_ROLE_KEY: copy /],
  ['an anon key of another project', { NEXT_PUBLIC_SUPABASE_ANON_KEY: 'sb_publishable_x' }, /refuses NEXT_PUBLIC_SUPABASE_ANON_KEY: copy /],
  ['nobody at the address', { NEXT_PUBLIC_SUPABASE_URL: 'http://127.0.0.1:9' }, /^http:\/\/127\.0\.0\.1:9 does not answer as a Supabase project does: /],
  ['no address', { NEXT_PUBLIC_SUPABASE_URL: 'my-project' }, /^NEXT_PUBLIC_SUPABASE_URL is no address: my-project$/],
])) {
  test(`${what}: one sentence`, async () => {
    const { code, out, err } = await script([], environment)
    assert.deepEqual([code, out], [1, ''])
    assert.match(err.trimEnd(), sentence)
    assert.equal(err.split('\n').length, 2, err)
    assert.deepEqual(await accounts(), [])
  })
}
