// The options of a chat, checked. In JavaScript, because they are read before the WebAssembly is there as well.

const isText = (value) => typeof value === 'string' && value !== ''

function readUrl(text) {
  try {
    const { protocol, search, hash, href } = new URL(text)
    if (/^https?:$/.test(protocol) && !search && !hash) return href.replace(/\/+$/, '')
  } catch {}
}

/** What is wrong with `options`, in words; or all of them in a row, as `Options::read` takes them. */
export function readOptions(options) {
  if (typeof options !== 'object' || !options) return 'new ChatSession(options): options must be an object'
  for (const name of ['myMongoId', 'otherMongoId', 'supabaseUrl', 'supabaseAnonKey'])
    if (!isText(options[name])) return `${name} must be a string that is not empty`

  const url = readUrl(options.supabaseUrl)
  if (!url) return 'supabaseUrl must be an http(s) URL such as https://<ref>.supabase.co'

  for (const [url, callback] of [['tokenUrl', 'getToken'], ['ensureThreadUrl', 'ensureThread']]) {
    if ((options[url] == null) === (options[callback] == null)) return `give one of ${url} and ${callback}`
    if (options[url] != null && !isText(options[url])) return `${url} must be a string that is not empty`
    if (options[callback] != null && typeof options[callback] !== 'function') return `${callback} must be a function`
  }

  const { pageSize, persistOutbox, cacheMessages } = options
  const size = pageSize ?? 50
  if (!Number.isInteger(size) || size < 1 || size > 200) return 'pageSize must be a whole number from 1 to 200'
  for (const name of ['persistOutbox', 'cacheMessages'])
    if (typeof (options[name] ?? true) !== 'boolean') return `${name} must be true or false`

  return [
    url,
    options.supabaseAnonKey,
    options.tokenUrl ?? options.getToken,
    options.ensureThreadUrl ?? options.ensureThread,
    options.myMongoId,
    options.otherMongoId,
    size,
    persistOutbox ?? true,
    cacheMessages ?? true,
  ]
}
