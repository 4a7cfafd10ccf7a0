import { existsSync, readFileSync } from 'node:fs'
import { posix, resolve } from 'node:path'
import { parseEnv } from 'node:util'

/** What a page may know. */
const NAMES = ['NEXT_PUBLIC_SUPABASE_URL', 'NEXT_PUBLIC_SUPABASE_ANON_KEY']
const WASM = 'core_bg.wasm'

/**
 * What the plugin reads of Vite's own types, which it is not built on: any Vite from 5 on will do.
 * @typedef {{ root?: string, envDir?: string | false, define?: Record<string, unknown> }} UserConfig
 * @typedef {{ base: string, env: Record<string, unknown>, logger: { warn(text: string): void } }} ResolvedConfig
 * @typedef {{ path: string, bundle?: Record<string, { type: string, fileName: string, name?: string, names?: string[] }> }} HtmlContext
 */

/** @param {import('./vite.js').ChoppedChatPluginOptions} [options] */
export function choppedChat({ preload = false } = {}) {
  /** @type {string[]} */
  let missing = []
  /** @type {unknown} */
  let supabaseUrl
  let base = '/'

  return {
    name: 'chopped-chat',

    /** @param {UserConfig} user @param {{ mode: string }} env */
    config(user, { mode }) {
      const environment = read(user, mode)
      const key = (/** @type {string} */ name) => `import.meta.env.${name}`
      // What the project defines by itself stays.
      const wanted = NAMES.filter((name) => user.define?.[key(name)] === undefined)
      const define = Object.fromEntries(
        wanted.flatMap((name) => {
          const value = environment(name)
          if (value) refuseSecret(name, value)
          return value ? [[key(name), JSON.stringify(value)]] : []
        }),
      )
      supabaseUrl = environment('NEXT_PUBLIC_SUPABASE_URL')
      missing = wanted.filter((name) => !(key(name) in define))
      return { define }
    },

    /** @param {ResolvedConfig} config */
    configResolved(config) {
      base = config.base
      // What Vite shows to pages by `envPrefix`.
      for (const [name, value] of Object.entries(config.env)) refuseSecret(name, value)
      if (missing.length > 0) {
        config.logger.warn(
          `chopped-chat: ${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} not set, and the page gets undefined. ` +
            'Set it in the environment or in .env.local; the dashboard of Supabase shows it under Settings, Data API and API keys.',
        )
      }
    },

    transformIndexHtml: {
      /** @type {'post'} */
      order: 'post',
      /** @param {string} _html @param {HtmlContext} context */
      handler(_html, { path, bundle }) {
        if (!preload) return []
        const connected = origin(supabaseUrl)
        const head = /** @type {'head'} */ ('head')
        const preconnect = { tag: 'link', attrs: { rel: 'preconnect', crossorigin: true, href: connected }, injectTo: head }
        const tags = connected ? [preconnect] : []
        const wasm = Object.values(bundle ?? {}).find(isWasm)
        if (!wasm) return tags
        const isRelative = base === '' || base === './'
        const href = isRelative ? posix.relative(posix.dirname(path), `/${wasm.fileName}`) : base + wasm.fileName
        // `crossorigin` makes it the very request that fetch() will be.
        const attrs = { rel: 'preload', as: 'fetch', type: 'application/wasm', crossorigin: true, href }
        return [...tags, { tag: 'link', attrs, injectTo: head }]
      },
    },
  }
}

/** @param {unknown} url */
function origin(url) {
  try {
    return new URL(String(url)).origin
  } catch {
    return undefined
  }
}

/** @param {{ type: string, name?: string, names?: string[] }} file */
const isWasm = (file) => file.type === 'asset' && (file.names ?? [file.name]).includes(WASM)

/**
 * The environment as Vite reads it, of which it hands out only what begins with `envPrefix`: the files of the mode, the later
 * one winning, and the shell's above all.
 *
 * @param {UserConfig} user @param {string} mode @returns {(name: string) => string | undefined}
 */
function read({ root = '.', envDir = '.' }, mode) {
  const files = envDir === false ? [] : ['.env', '.env.local', `.env.${mode}`, `.env.${mode}.local`]
  const paths = files.map((file) => resolve(root, String(envDir), file)).filter((path) => existsSync(path))
  /** @type {NodeJS.Dict<string>} */
  const all = Object.assign({}, ...paths.map((path) => parseEnv(readFileSync(path, 'utf8'))), process.env)
  // Neither a URL of Supabase nor a key holds a dollar sign of its own.
  /** @type {(text: string | undefined, depth?: number) => string | undefined} */
  const expand = (text, depth = 0) =>
    depth > 9 ? text : text?.replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced, bare) => expand(all[braced ?? bare], depth + 1) ?? '')
  return (name) => expand(all[name])
}

/** @param {string} name @param {unknown} value */
function refuseSecret(name, value) {
  const what = typeof value === 'string' && secret(value.trim())
  if (!what) return
  throw new Error(
    `chopped-chat: ${name} holds ${what}. Everybody who opens the page could read it, and with it every row of your ` +
      'database. Put the publishable (or anon) key there, keep this one in the backend, and replace it if it was ever published.',
  )
}

/** @param {string} value @returns {string | undefined} what kind of secret it is, if one */
function secret(value) {
  if (value.startsWith('sb_secret_')) return 'a secret key of Supabase (sb_secret_…)'
  const [, payload, , ...more] = value.split('.')
  if (!payload || more.length > 0) return undefined
  try {
    const { role } = JSON.parse(Buffer.from(payload, 'base64url').toString())
    return role === 'service_role' ? 'the service role key of Supabase' : undefined
  } catch {
    return undefined
  }
}
